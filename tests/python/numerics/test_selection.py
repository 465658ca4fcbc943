"""Which backend a call takes by itself, on the backends that this machine can run.

A call that one backend refuses goes to the next, with the reason at hand. The choice never depends
on rows, groups or m_indptr, or a row's bits would.
"""

import pytest

import groupgemm_fp8 as gg
from numeric.arena import Layout
from numeric.cases import Case, exact_problem
from numeric.compare import assert_exact
from numeric.configurations import SIZES, plan_of
from numeric.formats import DTYPE_PAIRS
from numeric.runner import HOST_BACKENDS, Call, unavailable_reason

# Calls that backend sm90 refuses, and a word of its reason.
REFUSED_BY_SM90 = {
    "address of a": (Case((3, 70), 136, 208), Layout(a_shift=1), "needs a at a multiple of 16"),
    "address of b": (Case((3, 70), 136, 208), Layout(b_shift=8), "needs b at a multiple of 16"),
    "granularity of n": (Case((3, 70), 136, 208, (1, 1, 128)), Layout(), "scale_granularity_mnk"),
    "granularity of k": (Case((3, 70), 136, 208, (1, 128, 96)), Layout(), "scale_granularity_mnk"),
    "no k": (Case((3, 70), 136, 0), Layout(), "needs k"),
}


def automatic(call: Call) -> dict:
    """The keywords of a call that leaves the choice to the library."""
    return call.format_keywords() | {"backend": None}


@pytest.mark.parametrize("case, layout, word", REFUSED_BY_SM90.values(), ids=REFUSED_BY_SM90)
def test_what_sm90_refuses_goes_to_the_next(gpu_backend, set_variable, case, layout, word):
    if gpu_backend.name != "sm90":
        pytest.skip("about backend sm90")
    set_variable("GGFP8_BACKEND", "")
    call = Call(gpu_backend, exact_problem(case), layout)
    ok, reason = gg.supports("sm90", *call.arguments, **call.format_keywords())
    assert not ok
    assert word in reason
    with pytest.raises(ValueError, match="sm90 refuses: "):
        call.launch()
    assert gg.plan(*call.arguments, **automatic(call)).backend == "mma"
    call.launch(backend=None)
    assert_exact(call.problem, call.result())


def test_the_first_that_can_is_taken(backend, set_variable):
    """The order of backends() is the order of choice."""
    set_variable("GGFP8_BACKEND", "")
    call = Call(backend, exact_problem(Case((3, 70), 136, 208)))
    wanted = next(
        name
        for name in gg.backends()
        if (name not in HOST_BACKENDS) == backend.is_gpu and unavailable_reason(name) is None
    )
    assert gg.plan(*call.arguments, **automatic(call)).backend == wanted


@pytest.mark.parametrize("pair", DTYPE_PAIRS, ids="-".join)
@pytest.mark.parametrize("scale_k", [64, 128])
@pytest.mark.parametrize("n, k", [(8, 16), (136, 336), (2816, 192)])
def test_the_choice_does_not_depend_on_the_batch(backend, set_variable, pair, n, k, scale_k):
    set_variable("GGFP8_BACKEND", "")
    plans = [plan_of(backend, size, n, k, pair, None, scale_k) for size in SIZES]
    assert len({plan.backend for plan in plans}) == 1


@pytest.mark.parametrize("n, k", [(8, 16), (136, 336), (2816, 192)])
def test_a_configuration_is_chosen_from_the_list_or_asked_for(backend, n, k):
    """A backend's own choice, where it has one, is a name that calls may ask for."""
    pair = DTYPE_PAIRS[0]
    known = gg.configurations(backend.name)
    for size in SIZES:
        chosen = plan_of(backend, size, n, k, pair, backend.name)
        if known:
            assert chosen.config in known
            assert plan_of(backend, size, n, k, pair, f"{backend.name}/{chosen.config}") == chosen


def test_a_configuration_from_the_environment(backend, set_variable):
    problem = exact_problem(Case((3, 70), 136, 208))
    call = Call(backend, problem)
    for runner in backend.configured(problem):
        set_variable("GGFP8_BACKEND", runner.request)
        plan = gg.plan(*call.arguments, **automatic(call))
        assert plan.backend == backend.name
        assert runner.config in (None, plan.config)
    set_variable("GGFP8_BACKEND", f"{backend.name}/nothing")
    with pytest.raises(ValueError, match=f'backend: got "{backend.name}/nothing", wanted '):
        call.launch(backend=None)
