"Each classic mistake, put into a copy of the package, turns its test red (see tests/mutants/run.py)"
import sys
from dataclasses import replace
import pytest
from conftest import ROOT
sys.path.insert(0, str(ROOT/'tests'/'mutants'))
from run import Judge, MutantError, copy, mutants, survives

ALL = mutants()

@pytest.fixture(scope='module')
def judge():
    with Judge() as judge: yield judge

@pytest.mark.parametrize('mutant', ALL, ids=lambda m: m.id)
def test_mutant_dies(judge, mutant):
    alive,_ = survives(mutant, judge)
    assert not alive, f'{mutant.test} stays green although: {mutant.why}'

@pytest.mark.parametrize('file', sorted({m.file for m in ALL}))
def test_without_mistake_the_tests_are_green(judge, tmp_path, file):
    "Otherwise a mutant might die of something else"
    tests = sorted({t for m in ALL if m.file==file for t in m.test.split()})
    code,said = judge(copy(tmp_path), tests)
    assert code==0, said[-2000:]

def test_mutants_are_told_apart_and_explained():
    assert len({m.id for m in ALL})==len(ALL) and all(len(m.why)>10 for m in ALL)

REQUIRED = {'warp': {'sign','axes_exchanged','unit_normalised','unit_of_w','align_corners_false','padding_zeros','padding_reflection'}}

@pytest.mark.parametrize('file', REQUIRED)
def test_required_mutants_are_there(file): assert REQUIRED[file]<={m.name for m in ALL if m.file==file}

# ---- the judge can fail

def test_harmless_change_survives(judge):
    m = next(m for m in ALL if m.id=='warp.sign')
    assert survives(replace(m, new=m.old.replace(' + ', '  +  ')), judge)[0]

@pytest.mark.parametrize('change,says', [
    (dict(old='nowhere in the module'), '0 times'), (dict(old='import'), 'not once'),
    (dict(test='test_warp.py::test_no_such_test'), 'neither green nor red'),
    (dict(new='undefined +('), 'invalid syntax'),
    (dict(old='import torch.nn.functional as F\n', new='import torch.nn.functional.nothing as F\n'), 'red|broke')])
def test_mutant_that_can_not_be_judged_is_an_error(judge, change, says):
    with pytest.raises((MutantError, SyntaxError), match=says): survives(replace(next(m for m in ALL if m.id=='warp.sign'), **change), judge)

def test_working_tree_is_left_alone(judge):
    module = ROOT/'v2v_tutorial'/ALL[0].module
    before = module.read_bytes(), module.stat().st_mtime_ns
    survives(ALL[0], judge)
    assert (module.read_bytes(), module.stat().st_mtime_ns)==before
