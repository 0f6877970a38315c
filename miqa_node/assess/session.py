"""ONNX Runtime sessions: which provider runs a graph, and whether it is the required one."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from miqa_node.errors import ModelPackageError, SettingsError
from miqa_node.settings import Accelerator

GPU_PROVIDER = "CUDAExecutionProvider"
CPU_PROVIDER = "CPUExecutionProvider"


class GraphSession:
    """One graph on one provider; ``run`` may be called from several threads."""

    def __init__(
        self, model: Path | bytes, accelerator: Accelerator, *, intra_op_threads: int, inter_op_threads: int
    ) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = intra_op_threads
        options.inter_op_num_threads = inter_op_threads
        # Waiting threads that spin would take the cores from decoding and receiving.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        providers = _providers(accelerator)
        try:
            self._session = ort.InferenceSession(
                model if isinstance(model, bytes) else str(model), options, providers=providers
            )
        except Exception as error:  # the runtime's exceptions have no common base but this
            raise ModelPackageError(f"ONNX Runtime cannot load the graph: {error}") from error
        self.provider: str = self._session.get_providers()[0]
        if accelerator is Accelerator.GPU and self.provider != GPU_PROVIDER:
            # The runtime silently falls back to the CPU if CUDA's libraries do not load.
            raise SettingsError(gpu_missing())
        self.inputs: tuple[str, ...] = tuple(i.name for i in self._session.get_inputs())
        self.outputs: tuple[str, ...] = tuple(o.name for o in self._session.get_outputs())
        self.channels: Mapping[str, int] = {
            o.name: o.shape[1] for o in self._session.get_outputs() if len(o.shape) == 4 and isinstance(o.shape[1], int)
        }
        """Second axis of the outputs that are stacks of images and do not leave it open."""
        self.metadata: Mapping[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], timeout_s: float | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Run the graph; the named outputs as arrays.

        TimeoutError when it takes longer than ``timeout_s``; the graph then stops at its next node.
        """
        if timeout_s is None:
            values = self._session.run(list(outputs), dict(inputs))
        else:
            values = self._run_within(outputs, inputs, timeout_s)
        return dict(zip(outputs, values, strict=True))

    def _run_within(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[np.float32]], timeout_s: float
    ) -> list[NDArray[np.float32]]:
        options, late = ort.RunOptions(), threading.Event()

        def stop() -> None:
            late.set()
            options.terminate = True

        timer = threading.Timer(timeout_s, stop)
        timer.daemon = True
        timer.start()
        try:
            values: list[NDArray[np.float32]] = self._session.run(list(outputs), dict(inputs), options)
        except Exception as error:
            if late.is_set():
                raise TimeoutError(f"the graph was stopped after {timeout_s:g} s") from error
            raise
        finally:
            timer.cancel()
        return values


def available_provider(accelerator: Accelerator) -> str:
    """The provider that a session would get.

    Raises
    ------
    SettingsError
        The settings require a GPU and the installed ONNX Runtime has no provider for one.
    """
    providers = _providers(accelerator)
    return providers[0]


def gpu_missing() -> str:
    """What to do if a GPU is required but not available."""
    return (
        'node.accelerator is "gpu", but ONNX Runtime has no usable CUDA provider here. Install the extra [gpu] '
        '(make setup ACCEL=gpu), check the driver with nvidia-smi, or set node.accelerator to "auto" or "cpu".'
    )


def _providers(accelerator: Accelerator) -> list[str]:
    has_gpu = GPU_PROVIDER in ort.get_available_providers()
    if accelerator is Accelerator.CPU or (accelerator is Accelerator.AUTO and not has_gpu):
        return [CPU_PROVIDER]
    if not has_gpu:
        raise SettingsError(gpu_missing())
    return [GPU_PROVIDER, CPU_PROVIDER]
