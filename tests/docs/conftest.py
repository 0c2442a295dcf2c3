"""What the pages and the READMEs need to run: a real model as the demo writes it, and a registry of their own."""

import pytest

from support.workspace import ROOT, load_script


@pytest.fixture(scope="session")
def minilm(tmp_path_factory):
    """MiniLM as the demo writes it: a checkpoint of TensorFlow 1, a vocabulary and a configuration."""
    demo = load_script(ROOT / "demo" / "demo.py")
    folder = tmp_path_factory.mktemp("minilm") / demo.FOLDER.name
    demo.write_google_checkpoint(demo.minilm_folder(), folder)
    return folder


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """A page may register a network or a dialect, which other tests must not see."""
    from b4k3.models import registry

    monkeypatch.setattr(registry, "ARCHITECTURES", dict(registry.ARCHITECTURES))
    monkeypatch.setattr(registry, "DIALECTS", dict(registry.DIALECTS))
    yield
    registry.network.cache_clear()
