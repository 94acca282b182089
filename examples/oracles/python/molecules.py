#!/usr/bin/env python3
"""Drug-likeness (QED) and synthetic accessibility of molecules, both by RDKit."""

import os
import sys

from rdkit import Chem, RDConfig, RDLogger, rdBase
from rdkit.Chem.QED import qed

from anabranch_oracle import Invalid, Objective, oracle, serve

sys.path.append(os.path.join(RDConfig.RDContribDir, "SA_Score"))
import sascorer  # noqa: E402  RDKit ships it beside its package, not inside.

RDLogger.DisableLog("rdApp.*")


@oracle(
    name="molecules",
    version=f"1 (RDKit {rdBase.rdkitVersion})",
    objectives=[
        Objective("qed", maximize=True, bounds=(0, 1), description="quantitative estimate of drug-likeness"),
        Objective("sa", maximize=False, bounds=(1, 10), description="synthetic accessibility; 1 is easy"),
    ],
    formats=["smiles"],
    preferred_batch=64,
)
def score(objects):
    return [score_one(smiles) for smiles in objects]


def score_one(smiles):
    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        return Invalid("RDKit reads no molecule from it")
    return {"qed": qed(molecule), "sa": sascorer.calculateScore(molecule)}


if __name__ == "__main__":
    serve(score)
