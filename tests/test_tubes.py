"Bodies of tubes: what is painted is where the truth says, at any time; what turns away or goes behind is not seen"
import numpy as np
import pytest
import torch

from v2v_tutorial.clips.layers import Layer
from v2v_tutorial.clips.moves import spin
from v2v_tutorial.clips.tubes import AROUND, Body, BodyScene, Ring, Tubes

def arm_tubes(): # two bones with an elbow, and a cap at either end
    def rings(joint, start):
        weight = lambda f: .5+.5*min(1, abs(f-(1-start))/.15)
        return [Ring(joint, start, .09, .09, to=joint+1, share=f, other=1-start, mine=weight(f), at=start+f, part=1+start) for f in np.linspace(.1*start, 1, 7)]
    ends = [Ring(0, 0, r, r, (0, y, 0), part=1) for r,y in ((.01, .07), (.07, .05))], [Ring(2, 1, r, r, (0, -y, 0), at=2., part=2) for r,y in ((.05, .04), (.01, .06))]
    return [ends[0]+rings(0, 0)+rings(1, 1)+ends[1]]

def bones(t): # joints (3,3) and frames (2,3,3): it turns about itself, and the forearm bends
    upper = spin(1, 5*t) @ spin(0, 20)
    fore = upper @ spin(0, -50-50*np.cos(t/8))
    return np.cumsum([[0, .9, 0], -.45*upper[:,1], -.45*fore[:,1]], 0), np.stack([upper, fore])

def arm(size=(96,96), unit=75., to=(0,0), painted=None, **more):
    see = lambda t, places: (np.array([(size[1]-1)/2, .85*size[0]]) + to + unit*places[:,:2]*[1,-1], 5-places[:,2])
    tubes = Tubes(arm_tubes(), *bones(0))
    (h, w), texels, _ = tubes.layout(2*unit)
    y, x = np.mgrid[:h,:w].astype(np.float32)/[[[h]],[[w]]]
    sheet = np.dstack([y, x, 1-y, np.ones_like(x)]).astype(np.float32) if painted is None else painted((h, w))
    return Body(sheet, bones, tubes, texels, see, size, depth=lambda t: 1., kind=1, thing=1, **more)

def scene(size=(96,96), **more):
    wall = np.full((8, 8, 4), 1, np.float32)*[.2, .2, .2, 1]
    hang = lambda t: np.array([[size[1]/4, 0, -8], [0, size[0]/4, -8], [0, 0, 1]])
    return BodyScene([Layer(wall.astype(np.float32), hang, depth=lambda t: 9.), arm(size, .78*size[0], **more)], size)

def owned(shot): return (p.astype(float) for p in reversed(np.nonzero(shot.front==1)))

def inner(shot, by=2): # pixels of the body that are away from its outline
    import cv2
    y, x = np.nonzero(cv2.erode((shot.front==1).astype(np.uint8), np.ones((2*by+1,2*by+1))))
    return x.astype(float), y.astype(float)

@pytest.mark.parametrize('size', [(96,96), (65,131), (150,77)])
def test_the_picture_shows_the_texels_that_the_truth_names(size):
    "Without light the colour of a pixel is the paint at its texel, to less than a tenth of a pixel"
    world = scene(size, shaded=0.)
    shot, body = world.shot(7), world.layers[1]
    x, y = inner(shot)
    u, v = body.texels(7, x, y)
    h, w = body.sheet.shape[:2]
    seen = shot.picture[y.astype(int),x.astype(int)]/255.
    assert len(x)>150
    off = np.stack([seen[:,0]*h-v, seen[:,1]*w-u], 1)                          # in texels, two of which are a pixel
    assert np.abs(off.mean(0)).max()<.2 and np.median(np.abs(off), 0).max()<.5

@pytest.mark.parametrize('apart', [1, 4, -9])
def test_a_point_of_the_surface_stays_the_same_point(apart):
    "Where the flow says that a pixel went, the same texel is found"
    world = scene()
    body, shot = world.layers[1], world.shot(20)
    x, y = inner(shot, 1)
    u, v = body.texels(20, x, y)
    seen = body.faces(20, 20+apart, x, y)
    px, py = (p[seen] for p in body.moved(20, 20+apart, x, y))
    m = body.moment(20+apart)
    keep = (px>m.box[2]+1)&(px<m.box[3]-2)&(py>m.box[0]+1)&(py<m.box[1]-2)
    qu, qv = body.texels(20+apart, np.rint(px[keep]), np.rint(py[keep]))
    gap = np.hypot(qu-u[seen][keep], qv-v[seen][keep])
    assert seen.mean()>.5 and np.median(gap)<1.5                               # rounding to a pixel alone costs .8 texels
    back = [np.clip(np.rint(2*p[seen][keep]-q[keep]), low, high-1) for p,q,low,high in ((x, px, *m.box[2:]), (y, py, *m.box[:2]))]
    wrong = body.texels(20+apart, *back)
    assert np.median(np.hypot(wrong[0]-u[seen][keep], wrong[1]-v[seen][keep]))>1.5*np.median(gap)

def test_the_back_is_not_seen_after_half_a_turn():
    world = scene()
    x, y = owned(world.shot(0))
    seen = lambda s: world.layers[1].faces(0, s, x, y).mean()
    assert seen(0)>.97 and seen(3)>.8 and seen(36)<.25                          # 36 times 5 degrees is half a turn

def test_what_is_behind_another_part_is_not_seen():
    body = arm()
    m = body.moment(0)
    near = body.nearest(0, m.pixels)
    facing = np.zeros(len(m.pixels), bool)
    facing[np.unique(body.tubes.quads[m.order])] = True
    assert (near[~facing]<m.far[~facing]-.01).mean()>.6
    assert np.isinf(body.nearest(0, np.array([[-50., 3], [3., 4000]]))).all()

def test_parts_depth_and_chart():
    world = scene()
    shot = world.shot(5)
    truth, uv = world.truth(shot), world.uv(shot)
    on = shot.front==1
    assert set(np.unique(truth['parts'][on]))=={1,2} and not truth['parts'][~on].any()
    assert truth['depth'][on].min()>3.5 and truth['depth'][on].max()<6 and (truth['depth'][~on]==9).all()
    assert uv[on].min()>=0 and uv[on].max()<=1 and np.ptp(uv[on], 0).min()>.4
    along = lambda part: uv[on&(truth['parts']==part)][:,1]
    assert along(1).min()<.1 and along(1).max()>.9 and along(2).max()>.9       # each part from end to end

def test_patches_turn_their_outside_to_us_and_normals_are_unit():
    tubes = Tubes(arm_tubes(), *bones(0))
    places, normals = tubes.corners(*bones(0))
    assert np.allclose(np.linalg.norm(normals, axis=-1), 1)
    assert (((places-places.mean(1, keepdims=True))*normals).sum(-1)>0).mean()>.97   # not at the inside of the elbow
    upside = Tubes([tube[::-1] for tube in arm_tubes()], *bones(0)).corners(*bones(0))[1]
    assert np.allclose(upside[::-1][3:-3], normals[3:-3], atol=1e-6)           # however it is listed

def test_tubes_lie_apart_on_the_sheet():
    tubes = Tubes(arm_tubes()+arm_tubes(), *bones(0))
    (h, w), texels, places = tubes.layout(120)
    (top, bottom, _), (low, end, _) = places
    assert bottom<low and end<=h and texels[...,0].max()<w-.5 and texels.min()>=1
    assert texels.shape==(len(tubes.at), AROUND+1, 2) and (np.diff(texels[...,0], axis=1)>0).all()

def test_light_comes_from_the_left():
    shot = scene(painted=lambda size: np.full((*size, 4), .9, np.float32)).shot(2)
    row = shot.picture[40].mean(-1)[shot.front[40]==1]
    assert row[:len(row)//3].mean()>row[-len(row)//3:].mean()+15

def test_a_body_out_of_sight_is_left_out():
    world = scene(to=(500, 0))
    assert not (world.shot(0).front==1).any() and not world.clip(2).parts.any()
    half = scene(to=(45, 0)).clip(2)
    assert half.parts.any() and bool(half.flow.isfinite().all())

def test_a_long_film_keeps_little():
    world = scene((32,32))
    world.clip(30)
    assert len(world.layers[1].kept)<=4

def test_flow_of_the_scene_is_the_bodys():
    world = scene()
    now, then = world.shot(12), world.shot(9)
    flow, seen = world.flow(now, then)
    x, y = owned(now)
    px, py = world.layers[1].moved(12, 9, x, y)
    assert np.allclose(flow[y.astype(int),x.astype(int)], np.stack([px-x, py-y], 1), atol=1e-4)
    assert not seen[now.front==1].all() and seen[now.front==1].mean()>.6 and torch.from_numpy(flow).isfinite().all()
