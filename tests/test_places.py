"Places: one camera for floor, wall and dancer, five kinds of places that fill the picture, and a shadow on the floor"
import numpy as np
import pytest

from v2v_tutorial.clips.dance import Dance
from v2v_tutorial.clips.layers import Layer, seeds
from v2v_tutorial.clips.moves import Choreography
from v2v_tutorial.clips.places import PLACES, Camera, Shadow, backdrop

SIZES = [(128,128), (64,160), (160,64), (33,47)]

@pytest.mark.parametrize('size', SIZES)
def test_a_pixel_of_the_floor_goes_there_and_back(size):
    camera = Camera(size)
    places = np.array([[0, 0, 0], [.4, 0, .3], [-.3, 0, -.8]])
    pixels, _ = camera.still(places)
    x, z = camera.ground(*pixels.T)
    assert np.allclose(np.stack([x, 0*x, z], 1), places, atol=1e-9)

@pytest.mark.parametrize('size', SIZES)
def test_somebody_fits_into_the_picture(size):
    camera = Camera(size)
    pixels, _ = camera.still(np.array([[0, 0, 0], [0, 1, 0], [-.42, .8, 0], [.42, .8, 0]]))
    assert (pixels>-1).all() and (pixels<np.array(size[::-1])).all() and pixels[0,1]>pixels[1,1]

def test_nearer_is_larger_lower_and_to_the_dancers_left_is_to_the_right():
    camera = Camera((128,128))
    tall = lambda z: np.diff(camera.still(np.array([[0, 1, z], [0, 0, z]]))[0][:,1])[0]
    assert tall(.5)>1.15*tall(-.5)
    pixels, far = camera.still(np.array([[0, 0, 0], [0, 0, .5], [.3, 0, 0]]))
    assert pixels[1,1]>pixels[0,1]+3 and far[1]<far[0] and pixels[2,0]>pixels[0,0]+20

def test_the_camera_stands_still_or_moves_as_asked():
    still, moving = Camera((96,96)), Camera((96,96), 1., (1, 2, 3))
    for t in (0, 40, 90):
        assert np.allclose(still.after(t), np.eye(3))
        places = np.array([[.2, .4, .1], [-.3, 0, .5]])
        seen, before = moving.see(t, places)[0], moving.still(places)[0]
        assert np.allclose(np.column_stack([before, [1, 1]])@moving.after(t).T, np.column_stack([seen, [1, 1]]))
    assert np.abs(moving.after(0)-moving.after(40)).max()>1

@pytest.mark.parametrize('size', SIZES)
def test_a_backdrop_fills_the_picture_however_the_camera_moves(size):
    for place in range(3):
        camera = Camera(size, 1., np.random.default_rng(place).uniform(0, 6.28, 3))
        sheet, to_picture = backdrop(place, camera)
        assert sheet.dtype==np.float32 and (sheet[...,3]==1).all() and sheet.min()>=0 and sheet.max()<=1
        for t in range(0, 1300, 130):
            box, seen = Layer(sheet, lambda t: camera.after(t)@to_picture).draw(t, size)
            assert box==(0, size[0], 0, size[1]) and seen[...,3].min()>.999

def test_every_kind_of_place_comes_and_no_two_are_alike():
    camera, kinds, seen = Camera((48,48)), set(), []
    for place in seeds('test', 40):
        kinds.add(str(np.random.default_rng([place, 21]).choice(list(PLACES))))
        seen.append(backdrop(place, camera)[0][::3,::3,:3].ravel())
    far = np.abs(np.stack(seen)[:,None]-np.stack(seen)[None]).mean(-1) + np.eye(40)
    assert kinds==set(PLACES) and far.min()>.02

@pytest.mark.parametrize('place', range(8))
def test_a_place_is_the_same_at_every_size(place):
    import cv2
    pictures = [cv2.resize(backdrop(place, Camera((n,n)))[0][...,:3], (24,24), interpolation=cv2.INTER_AREA) for n in (64, 128, 200)]
    for other in pictures[1:]: assert np.abs(other-pictures[0]).mean()<.04

@pytest.mark.parametrize('place', range(12))
def test_a_wider_picture_shows_the_same_place_and_more_of_it(place):
    square, wide = (backdrop(place, Camera((64,w)))[0][...,:3] for w in (64, 120))
    cut = (wide.shape[1]-square.shape[1])//2
    gap = wide[:,cut:cut+square.shape[1]]-square
    assert np.abs(gap.mean((0,1))).max()<.018 and np.abs(gap).mean()<.08         # clouds may drift, colours stay

def test_no_place_is_grey_and_empty():
    for place in range(12):
        sheet = backdrop(place, Camera((64,64)))[0][...,:3]
        assert sheet.std()>.06 and (sheet.max(-1)-sheet.min(-1)).mean()>.04 and .15<sheet.mean()<.85, place

def test_a_shadow_darkens_the_floor_behind_and_to_the_right_and_owns_nothing():
    world = Dance(0, (96,96), dance=Choreography.of('b_up 80'), place=4)
    assert isinstance(world.layers[1], Shadow) and not world.layers[1].solid
    box, dark = world.layers[1].draw(0, (96,96))
    feet = world.camera.see(0, world.strung(0)[0][[9, 16]])[0]                   # ankles
    y, x = np.nonzero(dark[...,3]>.15)
    assert len(x)>60 and not dark[...,:3].any() and dark[...,3].max()<.5
    assert x.mean()+box[2]>feet[:,0].mean()+3                                     # the lamp stands to the left …
    assert y[x>np.quantile(x, .7)].mean()<y[x<np.quantile(x, .3)].mean()-1        # … and in front
    assert y.min()+box[0]>.5*96                                                   # on the floor, not on the wall
    assert not (world.shot(0).front==1).any()

def test_a_shadow_follows_its_dancer():
    world = Dance(0, (96,96), dance=Choreography.of('go -.5; go -.5; go .5; go .5'))
    def middle(t):
        dark = world.layers[1].draw(t, (96,96))[1][...,3]
        return (dark.sum(0)*np.arange(96)).sum()/dark.sum()
    assert middle(40)-middle(8)>25
