#!/usr/bin/env python3
"""An oracle that is started for each batch: drug-likeness (QED) of SMILES, by RDKit.

The form is that of REINVENT's external process: one SMILES a line on standard input until its end, one
JSON document on standard output. In the run's configuration:

    reward:
      oracles:
        - name: qed
          objectives: [qed]
          process:
            command: [python3, examples/oracles/process/qed_one_shot.py]
            protocol: one_shot
"""

import json
import sys

from rdkit import Chem
from rdkit.Chem import QED

molecules = [Chem.MolFromSmiles(line.strip()) for line in sys.stdin]
values = [None if molecule is None else QED.qed(molecule) for molecule in molecules]
json.dump({"version": 1, "payload": {"qed": values}}, sys.stdout)
