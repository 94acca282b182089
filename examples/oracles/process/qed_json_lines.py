#!/usr/bin/env python3
"""An oracle that stays alive: drug-likeness (QED) of SMILES, by RDKit, over JSON Lines.

In the run's configuration:

    reward:
      oracles:
        - name: qed
          objectives: [qed]
          process: {command: [python3, examples/oracles/process/qed_json_lines.py]}

A line of input is one question, {"id": 1, "objects": ["CCO", ...]}; a line of output is its answer. What
is printed to standard error ends up in the log of the reward service.
"""

import json
import sys

from rdkit import Chem
from rdkit.Chem import QED


def score(smiles):
    """Returns the QED of one molecule, or None where there is none."""
    molecule = Chem.MolFromSmiles(smiles)
    return None if molecule is None or molecule.GetNumAtoms() == 0 else QED.qed(molecule)


for line in sys.stdin:
    question = json.loads(line)
    values = [score(smiles) for smiles in question["objects"]]
    answer = {
        "id": question["id"],
        "values": {"qed": values},
        "status": ["invalid" if value is None else "ok" for value in values],
        "reasons": ["no molecule" if value is None else None for value in values],
    }
    print(json.dumps(answer), flush=True)
