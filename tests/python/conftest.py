"""Fixtures of the Python tests. `backend` runs a test on every backend this machine can run."""

import os

import pytest
from hypothesis import settings

from skip_summary import summary

# Matrix products of references are small: threads inside them would only fight with the workers
# of a parallel run. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Examples are the same in every run: a failure is reproduced by running the test again.
settings.register_profile("numeric", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("numeric")


@pytest.fixture
def set_variable(monkeypatch):
    """Sets an environment variable of the library, which reads them once per process."""
    from groupgemm_fp8 import _library

    def set_variable(name, value):
        monkeypatch.setenv(name, value)
        _library.check(_library.load().ggfp8_reload_environment())

    yield set_variable
    monkeypatch.undo()
    _library.check(_library.load().ggfp8_reload_environment())


@pytest.fixture
def jax_on_cpu():
    """New JAX arrays are on the CPU, also where there is a GPU."""
    import jax

    with jax.default_device(jax.devices("cpu")[0]):
        yield


@pytest.fixture
def devices(monkeypatch):
    """The driver's answers: address -> device, and the addresses that it was asked for."""
    import types

    from groupgemm_fp8 import _library

    known, asked = {}, []
    library = _library.load()

    class Library:
        def __getattr__(self, name):
            return getattr(library, name)

        def ggfp8_pointer_device(self, address, device_type, ordinal):
            asked.append(address)
            device_type._obj.value, ordinal._obj.value = known.get(address, (1, 0))
            return 0

    monkeypatch.setattr(_library, "load", Library)
    return types.SimpleNamespace(known=known, asked=asked)


@pytest.fixture
def pretended_gpu(monkeypatch):
    """A CUDA device whose memory is the host's and whose kernels are the CPU backend."""
    from pretended_gpu import install

    return install(monkeypatch)


def pytest_configure(config):
    config.addinivalue_line("markers", "large: needs several GiB of memory")
    config.addinivalue_line("markers", "soak: takes long; runs only where -m asks for it")


def pytest_collection_modifyitems(config, items):
    if "soak" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="takes long; -m soak runs it"))


def pytest_terminal_summary(terminalreporter):
    """Says in one line what the skipped tests need; -rs lists them one by one."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = [report.longrepr[2] for report in reports if isinstance(report.longrepr, tuple)]
    if line := summary(reasons):
        terminalreporter.write_line(line)


def pytest_generate_tests(metafunc):
    if "backend" in metafunc.fixturenames:
        import groupgemm_fp8

        names = groupgemm_fp8.backends()
        metafunc.parametrize("backend", names, indirect=True, scope="session")
    elif "gpu_backend" in metafunc.fixturenames:
        import groupgemm_fp8
        from numeric.runner import HOST_BACKENDS

        names = [name for name in groupgemm_fp8.backends() if name not in HOST_BACKENDS]
        metafunc.parametrize("gpu_backend", names or ["none"], indirect=True, scope="session")
    for fixture, devices in (("steps", ("cpu", "cuda")), ("gpu_steps", ("cuda",))):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, devices, indirect=True, scope="session")


@pytest.fixture(scope="session")
def backend(request):
    """A Runner of one backend; skips with the reason where it cannot run."""
    from numeric.runner import Runner, unavailable_reason

    reason = unavailable_reason(request.param)
    if reason is not None:
        pytest.skip(reason)
    return Runner(request.param)


@pytest.fixture(scope="session")
def gpu_backend(request):
    """Returns a backend as `backend` does, for tests of streams, graphs and device memory."""
    if request.param == "none":
        pytest.skip("this build of the library has no GPU backend")
    from numeric.runner import Runner, unavailable_reason

    reason = unavailable_reason(request.param)
    if reason is not None:
        pytest.skip(reason)
    return Runner(request.param)


def step_runner(device):
    from groupgemm_fp8._cli.device import device_unavailable_reason
    from numeric.steps import StepRunner

    reason = device_unavailable_reason() if device == "cuda" else None
    if reason is not None:
        pytest.skip(reason)
    return StepRunner(device)


@pytest.fixture(scope="session")
def steps(request):
    """A StepRunner of the CPU and one of a GPU; skips with the reason where there is none."""
    return step_runner(request.param)


@pytest.fixture(scope="session")
def gpu_steps(request):
    """Returns a runner as `steps` does, for tests of streams, graphs and device memory."""
    return step_runner(request.param)
