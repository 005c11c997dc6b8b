"""What `repgeo train` asks for. Oracles: the config it stands for, and the words of the command."""

import math

import numpy as np
import pytest

from experiments.diffenc.own import SIZE, complete, own_config, own_data
from experiments.runtime.errors import UserError
from experiments.runtime.study import Request


def test_defaults_are_a_laptop_s_and_what_is_given_replaces_them():
    plain = own_config(own_data("pictures", size=None), "vdmv")
    assert (plain.data.path, plain.data.size, plain.train.batch_size) == ("pictures", SIZE, 32)
    data = own_data("pictures", size=8, crop="stretch")
    given = own_config(data, "vdmv:schedule-learned", num_steps=7, num_samples=3, seed=5)
    assert (given.train.num_steps, given.sample.num, given.data.crop) == (7, 3, "stretch")
    assert given.seed == 5 and given.data.size == 8 and given.data.name == "images"
    assert given.model.options.schedule == "monotone"


def test_codes_are_not_resized_and_their_levels_set_the_noise():
    config = own_config(own_data("codes.npz", levels=17), "vdmv")
    assert config.data.size == 0
    # As configs/diffenc/digits.py states it for 17 levels.
    assert config.model.options.gamma_min == pytest.approx(-7.88, abs=0.005)
    assert own_config(own_data("codes.npz"), "vdmv").model.options.gamma_min == -13.3
    assert -2 * math.log(3.0187 * 256) == pytest.approx(-13.3, abs=0.005)


def test_messages_name_the_options_of_the_command(tmp_path):
    np.save(tmp_path / "x.npy", np.full((20, 4, 4), 300))
    config = own_config(own_data(str(tmp_path / "x.npy")), "vdmv")
    with pytest.raises(UserError, match=r"give --levels=301"):
        complete(config, Request(tmp_path / "run"), aside=True)
    with pytest.raises(UserError, match=r"--data='none'"):
        complete(own_config(own_data("none"), "vdmv"), Request(tmp_path / "run"), aside=True)
    with pytest.raises(UserError, match=r"^--test-share=2.0; accepted is a finite"):
        config = own_config(own_data("none", test_share=2.0), "vdmv")
        complete(config, Request(tmp_path / "run"), aside=True)
    with pytest.raises(UserError, match=r"--levels=-1; accepted"):
        own_config(own_data("none", levels=-1), "vdmv")
    assert not (tmp_path / "run").exists()
