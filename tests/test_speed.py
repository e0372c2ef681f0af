"Worlds are painted fast enough: told in units of a fixed piece of work, since machines differ and the same one is not always as fast"
import time
import cv2, numpy as np, pytest, torch
from v2v_tutorial.clips.dance import Dance
from v2v_tutorial.clips.faces import Faces
from v2v_tutorial.clips.street import Street

UNIT = 290e-6  # seconds that `unit` takes on the machine where 100 frames a second at 64x64 and 40 at 128x128 were asked for
SHEET = np.random.default_rng(0).random((256,256,4), dtype=np.float32)

def unit(times=60):
    "What a renderer does: hang a sheet, lay it over another, turn a matrix round, halve the picture; seconds for one of each"
    began = time.thread_time()
    for k in range(times):
        hung = cv2.warpAffine(SHEET, np.float32([[.45,.1,3], [-.1,.45,9]]), (128,128), flags=cv2.INTER_LINEAR)
        np.linalg.inv(np.eye(3)+k)
        cv2.resize(hung+hung[::-1]*(1-hung[...,3:]), (64,64), interpolation=cv2.INTER_AREA)
    return (time.thread_time()-began)/times

def units(work, rounds=8): # both are measured in turn, so that what slows the machine slows both
    "Median time of some work as a multiple of `unit`"
    def seconds(k):
        began = time.thread_time()
        work(k)
        return time.thread_time()-began
    return float(np.median([seconds(k)/unit() for k in range(rounds)]))

@pytest.mark.parametrize('side,frames_a_second', [(64,100), (128,40)])
@pytest.mark.parametrize('world', [Street, Dance, Faces])
def test_a_world_with_all_its_truth_is_painted_fast(world, side, frames_a_second):
    scene = world(3, (side,side))
    scene.clip(2)  # what is kept from moment to moment
    assert units(lambda k: scene.clip(8, start=20.*k))/8<=1/frames_a_second/UNIT

def test_a_machine_that_is_busy_changes_little():
    "Twice the work is twice the units"
    once, twice = units(lambda k: unit(20)), units(lambda k: unit(40))
    assert .8<once/20<1.25 and 1.6<twice/once<2.5
