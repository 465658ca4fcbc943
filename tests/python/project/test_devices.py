"""Queries of the machine's devices."""

import pytest

from groupgemm_fp8 import GroupGemmError, backends, device_count, device_info


def test_devices():
    assert "cpu" in backends()
    assert device_count("cpu") == 1
    assert device_count("cuda") >= 0
    assert device_info("cpu").num_processors >= 1
    assert device_info("cpu").name
    with pytest.raises(ValueError, match=r"^device_type: got 'tpu'"):
        device_count("tpu")
    with pytest.raises((ValueError, GroupGemmError), match="device"):
        device_info("cuda", 4096)
    with pytest.raises(ValueError, match="device"):
        device_info("cpu", 1)


@pytest.mark.parametrize("ordinal", [2**32, 2**31, -1, 2**70])
@pytest.mark.parametrize("device_type", ["cpu", "cuda"])
def test_device_numbers_are_not_cut(device_type, ordinal):
    with pytest.raises(ValueError, match=f"^device_id: got {ordinal}, wanted"):
        device_info(device_type, ordinal)


@pytest.mark.parametrize("device_id", [None, "0", 0.0, False, True])
def test_device_numbers_are_integers(device_id):
    with pytest.raises(TypeError, match="^device_id: got"):
        device_info("cpu", device_id)
    for device_type in (None, [], {}):
        with pytest.raises(ValueError, match="^device_type: got"):
            device_count(device_type)
