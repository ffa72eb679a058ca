"""Trained models outside their notebook: exported, loaded without their code, written with, served.

>>> from aigc_tutorial import deploy, zoo
>>> model = zoo.load("mnist-conv-gan")
>>> folder = deploy.export(model, "out/gan")  # doctest: +SKIP
>>> generator = deploy.load("out/gan")  # doctest: +SKIP
>>> generator  # doctest: +SKIP
Exported ConvGenerator(z: float32 (batch, 64)) -> images: float32 (batch, 1, 28, 28)
>>> images = generator(model.sample_latent(16))  # doctest: +SKIP

``export`` needs the extra ``export``: onnx, onnxscript and onnxruntime; a :class:`Decoder` of a
model needs none. A service over HTTP is :mod:`aigc_tutorial.deploy.service`, with the extra
``serve``.
"""

from aigc_tutorial.deploy.decode import Decoder
from aigc_tutorial.deploy.exporting import export
from aigc_tutorial.deploy.manifest import Manifest
from aigc_tutorial.deploy.runtime import Exported, load

__all__ = ["Decoder", "Exported", "Manifest", "export", "load"]
