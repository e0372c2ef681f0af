"Sheets, planes and meshes hang where their matrices say, and the truth between any two moments is exact"
import cv2, numpy as np, pytest, torch
from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.clips.layers import Layer, Mesh, Plane, Scene, Shot, over, seeds, split_of
from v2v_tutorial.motion.warp import warp

def shift(x, y): return np.array([[1.,0,x], [0,1,y], [0,0,1]])
def turn(angle, scale=1.):
    c, s = scale*np.cos(angle), scale*np.sin(angle)
    return np.array([[c,-s,0], [s,c,0], [0,0,1]])

def plain(h, w, *rgba): return np.full((h, w, 4), rgba or (1,1,1,1), np.float32)
def slopes(h, w): # plain slopes of colour, on which looking between pixels is exact
    x, y = np.meshgrid(np.linspace(0, 1, w, dtype=np.float32), np.linspace(0, 1, h, dtype=np.float32))
    return np.dstack([x, y, 1-x, np.ones_like(x)])

def still(m): return lambda t: m
def over_all(h, w, paint=None): # a layer that fills a picture of (h,w) and more, and drifts
    return Layer(slopes(2*h+40, 2*w+40) if paint is None else paint, lambda t: shift((w-1)/2 + .7*t, (h-1)/2 - .4*t) @ turn(.01*t, .6) @ shift(-w-19.5, -h-19.5), lambda t: 9.)

def spinning(h, w): # a sheet that turns, grows and crosses the picture
    return Layer(slopes(41, 61), lambda t: shift(.3*w + 1.3*t, .6*h - .9*t) @ turn(.2+.05*t, .4+.01*t) @ shift(-30, -20), lambda t: 1.)

def tensor(picture): return torch.from_numpy(picture).movedim(-1, 0)[None].float()
def agreement(scene, now, then, change=lambda f: f): # share of the visible pixels that are fetched to within 1.5 grey levels
    a, b = scene.shot(now), scene.shot(then)
    flow, seen = scene.flow(a, b)
    gap = (warp(tensor(b.picture), torch.from_numpy(change(flow)).movedim(-1, 0)[None]) - tensor(a.picture))[0].abs().amax(0)
    assert seen.sum()>.3*seen.size
    return float((gap[torch.from_numpy(seen)]<=1.5).float().mean())

# ---- one over the other

def test_over_is_near_plus_what_it_lets_through():
    near, far = np.float32([.1,.2,.3,.4]), np.float32([.5,.5,0,1])
    np.testing.assert_allclose(over(near, far), [.4,.5,.3,1], atol=1e-6)
    assert np.allclose(over(0*near, far), far) and np.allclose(over(far, near), far)

def test_white_on_white_has_no_rim():
    "A sheet of colour times alpha has no dark outline, wherever it hangs"
    y, x = np.mgrid[:40,:40] - 19.5
    disc = (np.hypot(x, y)<15)[...,None]*np.ones(4, np.float32)
    scene = Scene([Layer(plain(40, 60), still(shift(0, 0))), Layer(disc.astype(np.float32), still(shift(30.3, 20.7) @ turn(.4, .55) @ shift(-19.5, -19.5)))], (40,60))
    assert scene.shot(0).picture.min()>=254

# ---- a sheet and its matrix

@pytest.mark.parametrize('m', [shift(7, 4), shift(20, 9) @ turn(np.pi/2), shift(5, 5) @ turn(0, 2)])
def test_a_texel_lands_where_its_matrix_says(m):
    dot = plain(9, 13, 0, 0, 0, 0)
    dot[3,5] = 1
    (top, bottom, left, right), seen = Layer(dot, still(m)).draw(0, (32,40))
    y, x = np.unravel_index(seen[...,3].argmax(), seen.shape[:2])
    assert np.allclose((m @ [5,3,1])[:2], (left+x, top+y)) and seen[y,x].min()>.99
    assert seen.shape==(bottom-top, right-left, 4) and (bottom-top)*(right-left)<32*40

def test_what_is_off_the_picture_or_not_there_is_not_drawn():
    assert all(Layer(plain(5, 5), place).draw(0, (20,30)) is None for place in (still(shift(40, 3)), still(shift(3, -9)), still(None)))

@pytest.mark.parametrize('now,then', [(3,2), (2,3), (9,1), (1,9), (4,4.25)])
@pytest.mark.parametrize('size', [(48,64), (33,47)])
def test_flow_is_the_way_from_matrix_to_matrix(size, now, then):
    scene = Scene([over_all(*size), spinning(*size)], size)
    a, b = scene.shot(now), scene.shot(then)
    flow, _ = scene.flow(a, b)
    assert set(np.unique(a.front))=={0,1}
    for y, x in np.random.default_rng(0).integers(0, size, (40,2)):
        layer = scene.layers[a.front[y,x]]
        texel = np.linalg.solve(layer.place(now), [x,y,1])
        np.testing.assert_allclose(flow[y,x], (layer.place(then) @ texel)[:2]-[x,y], atol=1e-4)

@pytest.mark.parametrize('now,then', [(3,2), (11,2), (2,11)])
def test_flow_fetches_slopes_exactly_and_wrong_flows_do_not(now, then):
    scene = Scene([over_all(48, 64), spinning(48, 64)], (48,64))
    assert agreement(scene, now, then)>.9
    for wrong in (lambda f: -f, lambda f: f[...,::-1].copy(), lambda f: f*[1,-1], lambda f: f+1): assert agreement(scene, now, then, lambda f: np.float32(wrong(f)))<.6

# ---- halved sheets

@pytest.mark.parametrize('h,w', [(128,128), (101,77), (64,200), (3,3), (5,400)])
def test_a_halved_sheet_keeps_its_middle_and_its_corners(h, w):
    layer = Layer(plain(h, w), still(None))
    for n in range(7):
        small, up = layer.level(n)
        sh, sw = small.shape[:2]
        assert min(sh, sw)>=min(2, h, w) and np.allclose(small, 1)
        np.testing.assert_allclose(up @ [(sw-1)/2, (sh-1)/2, 1], [(w-1)/2, (h-1)/2, 1])
        np.testing.assert_allclose(up @ [-.5, -.5, 1], [-.5, -.5, 1])

@pytest.mark.parametrize('scale', [.5, .3, .2, .11, .06])
@pytest.mark.parametrize('h,w', [(256,256), (231,187)])
def test_a_dot_stays_in_place_from_level_to_level(h, w, scale):
    y, x = np.mgrid[:h,:w]
    dot = np.exp(-((x-90)**2 + (y-140)**2)/(2*12.**2)).astype(np.float32)[...,None]*np.ones(4, np.float32)
    m = shift(31.3, 30.1) @ turn(.3, scale) @ shift(-100, -120)
    box, seen = Layer(dot, still(m)).draw(0, (64,64))
    yy, xx = np.mgrid[box[0]:box[1],box[2]:box[3]]
    at = [float((seen[...,3]*a).sum()/seen[...,3].sum()) for a in (xx, yy)]
    np.testing.assert_allclose(at, (m @ [90,140,1])[:2], atol=.03)

def test_halved_sheets_calm_what_shrinks():
    v = (np.add.outer(np.arange(400)//9, np.arange(400)//9)%2).astype(np.float32)[...,None]
    board = np.concatenate([v, v, v, np.ones_like(v)], -1)
    m = shift(15.5, 15.5) @ turn(.2, .06) @ shift(-199.5, -199.5)
    box, calm = Layer(board, still(m)).draw(0, (32,32))
    wild = cv2.warpAffine(board, m[:2], (32,32))
    assert calm[8:-8,8:-8,0].std()<.1<.2<wild[8:24,8:24,0].std()

def test_a_new_coat_of_paint_is_seen_at_all_sizes():
    layer = Layer(plain(64, 64), lambda t: shift(15.5, 15.5) @ turn(0, .5 if t==0 else .1) @ shift(-31.5, -31.5))
    layer.draw(0, (32,32)), layer.draw(1, (32,32))
    layer.sheet = plain(64, 64, .5, 0, 0, .5)
    for t in (0, 1): assert np.allclose(layer.draw(t, (32,32))[1].max((0,1)), [.5,0,0,.5])

# ---- who is in front

def pair(first=lambda t: 1., second=lambda t: 2., alpha=1., **more): # red, then green, both in the middle of a wall
    red, green = (plain(12, 12, *np.float32(c)*alpha) for c in ((1,0,0,1), (0,1,0,1)))
    return Scene([Layer(plain(24, 24, .2, .2, .2, 1), still(shift(0, 0)), lambda t: 9., kind=4),
                  Layer(red, lambda t: shift(6+t, 6), first, kind=5, thing=1, part=7), Layer(green, still(shift(6, 6)), second, kind=5, thing=2, **more)], (24,24))

def test_the_nearer_is_in_front():
    shot = pair().shot(0)
    assert shot.front[12,12]==1 and shot.picture[12,12].tolist()==[255,0,0] and shot.front[2,2]==0

def test_among_equals_the_later_is_in_front(): assert pair(second=lambda t: 1.).shot(0).front[12,12]==2

def test_order_follows_the_distances_in_time():
    scene = pair(first=lambda t: 1+t)
    assert [int(scene.shot(t).front[12,14]) for t in (0, .5, 1.5, 2)]==[1,1,2,2]
    assert [scene.truth(scene.shot(t))['depth'][12,14] for t in (0,.5,2)]==[1,1.5,2]

def test_truth_names_what_is_on_top():
    scene = pair(second=lambda t: .5)
    truth = scene.truth(scene.shot(3))
    for (y, x), wants in {(12,12): (2,5,2,0,.5), (12,19): (1,5,1,7,1.), (2,2): (0,4,0,0,9.)}.items():
        assert tuple(truth[k][y,x] for k in ('ids','classes','things','parts','depth'))==wants

def test_without_its_background_a_scene_says_so():
    scene = Scene([Layer(plain(9, 9), still(None)), over_all(9, 9)], (9,9))
    with pytest.raises(InputError, match='scene: .*first layer.*t=2'): scene.shot(2)

# ---- who can be seen, and when

def crossing(depth=2., solid=True, alpha=1.): # a curtain passes before a wall: at time 0 on the left, at 10 in the middle, at 20 on the right
    wall = Layer(slopes(24, 60), still(shift(0, 0)), lambda t: 9.)
    curtain = Layer(plain(24, 12, *np.float32([.2,.1,.3,1])*alpha), lambda t: shift(2.*t, 0), lambda t: depth, solid=solid)
    return Scene([wall, curtain], (24,60))

def test_visible_is_what_was_not_covered_then():
    scene = crossing()
    now, then = scene.shot(20), scene.shot(10)
    flow, seen = scene.flow(now, then)
    assert not flow[now.front==0].any()
    assert not seen[:,22:31].any() and seen[:,:19].all() and seen[:,34:39].all()  # the curtain was at 20..31 then
    assert seen[now.front==1].all()  # it sees itself, where it came from

def test_what_happens_between_two_moments_does_not_matter():
    scene = crossing()
    assert scene.flow(scene.shot(25), scene.shot(0))[1][:,20:40].all()

def test_two_half_clear_curtains_hide_together():
    one = crossing(alpha=.4)
    two = Scene(one.layers + [Layer(one.layers[1].sheet, one.layers[1].place, lambda t: 1.)], one.size)
    for scene, sees in ((one, True), (two, False)):
        now, then = scene.shot(20), scene.shot(10)
        assert (now.front==0).all() and scene.flow(now, then)[1][:,22:31].all()==sees

def test_a_curtain_behind_the_wall_hides_nothing():
    scene = crossing(depth=99.)
    assert scene.flow(scene.shot(20), scene.shot(10))[1].all() and not scene.shot(10).front.any()

def test_a_shadow_colours_and_neither_owns_nor_hides():
    shadow, bare = crossing(solid=False, alpha=.6), Scene(crossing().layers[:1], (24,60))
    a, b = shadow.shot(20), shadow.shot(10)
    assert not a.front.any() and np.abs(a.picture.astype(int)-bare.shot(20).picture).max()>60
    flow, seen = shadow.flow(a, b)
    assert not flow.any() and seen.all()

def test_a_source_off_the_picture_is_not_visible():
    scene = Scene([Layer(slopes(40, 80), lambda t: shift(-20+3*t, -5))], (24,32))
    _, seen = scene.flow(scene.shot(1), scene.shot(0))
    assert not seen[:,:3].any() and seen[:,3:].all()  # x=3 comes from exactly 0
    _, seen = scene.flow(scene.shot(0), scene.shot(1))
    assert not seen[:,-3:].any() and seen[:,:-3].all()

@pytest.mark.parametrize('x,y', [(.4,0), (-.4,0), (0,.4), (0,-.4)])
def test_a_source_less_than_half_a_pixel_off_the_picture_is_not_visible_either(x, y):
    scene, whole = Scene([Layer(slopes(40, 80), lambda t: shift(-20+t*x, -5+t*y))], (24,32)), np.s_[:]
    wanted = np.ones((24,32), bool)
    wanted[(0 if y>0 else -1) if y else whole, (0 if x>0 else -1) if x else whole] = False
    assert (scene.flow(scene.shot(1), scene.shot(0))[1]==wanted).all()

def test_light_passes_layer_by_layer():
    shot = Shot(0, None, np.zeros((1,1), int), [(k, (0,1,0,1), np.float32([[a]])) for k,a in ((2,1.), (0,.5), (1,.2), (3,.9))])
    np.testing.assert_allclose(shot.clear(4, [True,True,True,False])[:,0,0], [.8,1,.4,1], atol=1e-6)

def test_light_is_looked_up_between_pixels():
    "A curtain's soft edge runs upright: what counts at x = 2.3 is .7 of column 2 and .3 of column 3, whatever the row"
    soft = plain(12, 12, 0, 0, 0, 0)
    soft[:,5:], soft[:,4] = 1, .9
    for y, x, sees in ((.2,3.4,True), (.8,3.4,True), (.2,3.7,False), (.8,3.7,False)):  # .9 is reached at 4; more than .5 from 3.56 on
        wall = Layer(slopes(24, 24), lambda t: shift(-6+t*(x-3), -6+t*y), lambda t: 2.)
        scene = Scene([wall, Layer(soft, lambda t: shift(0, 0) if t==1 else None, lambda t: 1.)], (12,12))
        assert scene.flow(scene.shot(0), scene.shot(1))[1][2:9,3].all()==sees

def test_a_layer_enters_and_leaves():
    guest = Layer(slopes(20, 20), lambda t: shift(10+t, 5) if 2<=t<=5 else None, lambda t: 1.)
    scene = Scene([over_all(32, 48), guest], (32,48))
    clip = scene.clip(8, uv=True)
    there = [bool((f==1).any()) for f in clip.ids]
    assert there==[False]*2+[True]*4+[False]*2
    entered = clip.ids[2]==1
    assert not clip.visible[2][entered].any() and not clip.flow[2][entered.expand(2,-1,-1)].any()
    assert clip.visible[3][clip.ids[3]==1].float().mean()>.9
    assert not clip.visible[6][:,8:20,18:30].any()  # what the guest covered a frame ago

# ---- in perspective

def lens(h, w, f=60.): return np.array([[f,0,(w-1)/2], [0,f,(h-1)/2], [0,0,1]])
def ground(h, w, dots=20): # (200,300) texels on the floor, a unit below an eye that walks forward and swings
    def place(t):
        c, s = np.cos(.03*t), np.sin(.03*t)
        look = np.array([[c,0,-s], [0,1,0], [s,0,c]])
        return lens(h, w) @ look @ np.array([[1/dots,0,-.05*t], [0,0,1], [0,-1/dots,4-.15*t]]) @ shift(-149.5, -99.5)
    return place

def street(size, paint=None): return Scene([over_all(*size, paint=plain(2*size[0]+40, 2*size[1]+40, .1, .2, .4, 1)),
                                            Plane(slopes(200, 300) if paint is None else paint, ground(*size), lambda t: 5.)], size)

def test_a_plane_with_an_affine_matrix_is_a_layer():
    paint = cv2.GaussianBlur(np.random.default_rng(0).random((60,80,4)).astype(np.float32), (0,0), 2)
    m = shift(9.3, 7.8) @ turn(.3, .5)
    (box, flat), (wide, plane) = (kind(paint, still(m)).draw(0, (40,50)) for kind in (Layer, Plane))
    assert box==wide and np.abs(flat-plane).max()<.02

@pytest.mark.parametrize('size', [(48,64), (33,51)])
@pytest.mark.parametrize('now,then', [(3,2), (2,3), (0,8)])
def test_flow_of_a_plane_is_that_of_its_points(size, now, then):
    scene = street(size)
    a, b = scene.shot(now), scene.shot(then)
    flow, seen = scene.flow(a, b)
    owned = np.argwhere(a.front==1)
    assert len(owned)>.15*a.front.size
    for y, x in owned[::37]:
        texel = np.linalg.solve(scene.layers[1].place(now), [x,y,1])
        p = scene.layers[1].place(then) @ texel
        if p[2]*texel[2]>0: np.testing.assert_allclose(flow[y,x], p[:2]/p[2]-[x,y], atol=1e-3)
    assert seen[a.front==1].mean()>.3 and np.isfinite(flow).all()

def test_flow_of_a_plane_fetches_slopes():
    scene = street((48,64))
    assert agreement(scene, 3, 2)>.85>.65>agreement(scene, 3, 2, lambda f: f+2)

def test_a_plane_ends_at_its_horizon():
    "Behind the eye the matrix would show it again, in the sky"
    huge = Plane(plain(2000, 2000), lambda t: lens(48, 64) @ np.array([[.2,0,0], [0,0,1], [0,-.2,0]]) @ shift(-999.5, -999.5))
    _, seen = huge.draw(0, (48,64))
    assert not seen[:23].any() and (seen[27:,:,3]>.99).all()

def test_a_point_that_passed_the_eye_is_nowhere():
    walk = Plane(plain(400, 400), lambda t: lens(48, 64) @ np.array([[.05,0,0], [0,0,1], [0,-.05,4-t]]) @ shift(-199.5, -199.5), lambda t: 1.)
    scene = Scene([over_all(48, 64), walk], (48,64))
    x, y = np.array([31.,31.]), np.array([47.,30.])  # 2.5 and 9.2 units away
    moved = walk.moved(0, 4, x, y)
    assert np.isnan(moved[0]).tolist()==[True,False]
    flow, seen = scene.flow(scene.shot(0), scene.shot(4))
    assert np.isfinite(flow).all() and not seen[47,31] and not flow[47,31].any()

def test_a_small_plane_has_a_small_box():
    (top, bottom, left, right), _ = Plane(plain(9, 9), lambda t: ground(48, 64)(t) @ shift(145, 95)).draw(0, (48,64))
    assert (bottom-top)*(right-left)<300

def test_far_texels_come_from_halved_sheets():
    v = (np.add.outer(np.arange(200), np.arange(300))%2).astype(np.float32)[...,None]*np.ones(4, np.float32)
    v[...,3] = 1
    scene = street((48,64), v)
    rows = scene.shot(0).picture[...,0].astype(float).std(1)
    assert rows[28:31].max()<30

# ---- what bends

def net(h, w, rows=3, columns=4):
    x, y = np.meshgrid(np.linspace(-.5, w-.5, columns+1), np.linspace(-.5, h-.5, rows+1))
    a = (np.arange(rows)[:,None]*(columns+1) + np.arange(columns)).ravel()
    return np.stack([x.ravel(), y.ravel()], 1), np.concatenate([np.stack(c, 1) for c in ((a, a+1, a+columns+1), (a+columns+1, a+1, a+columns+2))])

def along(m, points): return (points @ m[:2,:2].T) + m[:2,2]
def softly(paint): # with a clear margin of three texels
    paint = paint.copy()
    for side in (np.s_[:3], np.s_[-3:], np.s_[:,:3], np.s_[:,-3:]): paint[side] = 0
    return paint

def test_a_mesh_that_moves_as_a_whole_is_a_layer():
    paint, (rest, triangles) = softly(slopes(40, 60)), net(40, 60)
    move = lambda t: shift(12+t, 9) @ turn(.1*t, .5)
    scenes = [Scene([over_all(40, 52), top], (40,52)) for top in
              (Layer(paint, move, lambda t: 1.), Mesh(paint, lambda t: along(move(t), rest), rest, triangles, depth=lambda t: 1.))]
    (a, b), (c, d) = ([s.shot(t) for t in (3, 1)] for s in scenes)
    assert np.abs(a.picture.astype(int)-c.picture).max()<=3 and (a.front!=c.front).mean()<.002
    both = (a.front==1) & (c.front==1)
    assert np.abs(scenes[0].flow(a, b)[0]-scenes[1].flow(c, d)[0])[both].max()<1e-3
    assert (scenes[0].flow(a, b)[1]!=scenes[1].flow(c, d)[1]).mean()<.005

def bending(size=(48,64), paint=None):
    rest, triangles = net(40, 60, 5, 8)
    def place(t):
        x, y = rest.T
        return np.stack([8+.7*x+.8*t+2*np.sin(y/9+.4*t), 8+.6*y+3*np.sin(x/12+.3*t)], 1)
    return Scene([over_all(*size), Mesh(softly(slopes(40, 60)) if paint is None else paint, place, rest, triangles, depth=lambda t: 1.)], size)

@pytest.mark.parametrize('now,then', [(3,2), (2,3), (1,7)])
def test_flow_of_a_mesh_takes_each_texel_along(now, then):
    "The texel that lies at the source is the texel of the pixel"
    scene = bending()
    mesh, a, b = scene.layers[1], scene.shot(now), scene.shot(then)
    flow, seen = scene.flow(a, b)
    y, x = np.nonzero((a.front==1) & seen)
    assert len(x)>700
    gap = np.subtract(mesh.texels(now, x, y), mesh.texels(then, x+flow[y,x,0], y+flow[y,x,1]))
    assert np.nanmax(np.abs(gap))<.5 and np.nanmedian(np.abs(gap))<1e-3
    assert agreement(scene, now, then)>.85>.6>agreement(scene, now, then, lambda f: f+1)

def test_a_triangle_seen_edge_on_is_left_out():
    rest, triangles = net(20, 20, 1, 1)
    line = Mesh(plain(20, 20), lambda t: rest*[t, 1]+[8, 4], rest, triangles, depth=lambda t: 1.)
    scene = Scene([over_all(32, 32), line], (32,32))
    clip = scene.clip(2, step=.5, uv=True)
    assert not (clip.ids[0]==1).any() and (clip.ids[1]==1).sum()>100 and clip.flow.isfinite().all()

def test_a_fold_hides_part_of_the_mesh():
    "The right half is turned over the left one: what lies below is not visible then"
    rest, triangles = net(20, 40, 1, 2)
    order = triangles[[0,2,1,3]]  # the right half last, so on top
    def place(t):
        points = rest+[10, 6]
        return points if t==0 else np.where(rest[:,:1]>30, points-[36, 0], points)
    scene = Scene([over_all(32, 64), Mesh(softly(slopes(20, 40)), place, rest, order, depth=lambda t: 1.)], (32,64))
    _, seen = scene.flow(scene.shot(0), scene.shot(1))
    assert not seen[12:20,16:24].any() and seen[12:20,34:44].all()

def test_a_mesh_shrinks_calmly():
    v = (np.add.outer(np.arange(240), np.arange(240))%2).astype(np.float32)[...,None]*np.ones(4, np.float32)
    v[...,3] = 1
    rest, triangles = net(240, 240)
    _, seen = Mesh(v, lambda t: rest*.08+6.3, rest, triangles).draw(0, (32,32))
    inside = seen[8:-8,8:-8]
    assert (inside[...,3]>.99).all() and inside[...,0].std()<.05

def test_a_mesh_off_the_picture_is_not_drawn():
    scene = bending()
    mesh = scene.layers[1]
    mesh.place = lambda t: mesh.rest+[900, 0]
    assert mesh.draw(0, (48,64)) is None and not scene.shot(0).front.any()
    mesh.place = lambda t: None
    assert mesh.draw(0, (48,64)) is None

def test_outside_of_a_mesh_there_are_no_texels():
    mesh = bending().layers[1]
    u, v = mesh.texels(0, np.array([0., 30.]), np.array([0., 24.]))
    assert np.isnan(u).tolist()==[True,False] and 0<v[1]<40

# ---- places on the sheet

@pytest.mark.parametrize('make', [bending, lambda: street((48,64)), lambda: Scene([over_all(48, 64), spinning(48, 64)], (48,64))])
def test_uv_is_where_the_colours_are(make):
    "Sheets whose colour is their own place"
    scene = make()
    shot = scene.shot(2)
    uv = scene.uv(shot)
    assert uv.min()>=0 and uv.max()<=1
    for k, layer in enumerate(scene.layers):
        if layer.sheet[...,0].std()<.05: continue  # a plain one
        h, w = layer.sheet.shape[:2]
        inside = cv2.erode((shot.front==k).astype(np.uint8), np.ones((7,7)), borderValue=1)>0
        want = (uv[inside]*(w, h)-.5)/(w-1, h-1)
        assert inside.sum()>150 and np.abs(shot.picture[...,:2][inside]/255-want).max()<.02

# ---- clips

def test_a_clip_is_its_shots():
    scene = Scene([over_all(33, 47), spinning(33, 47)], (33,47))
    clip = scene.clip(3, start=2, step=1.5)
    shots = [scene.shot(2+1.5*n) for n in range(3)]
    assert all(np.array_equal(((f+1)*127.5).round().byte().movedim(0, -1).numpy(), s.picture) for f,s in zip(clip.frames, shots))
    flow, seen = scene.flow(shots[2], shots[1])
    assert np.array_equal(clip.flow[2].movedim(0, -1).numpy(), flow) and np.array_equal(clip.visible[2,0].numpy()>0, seen)
    assert not clip.flow[0].any() and not clip.visible[0].any() and clip.name=='scene' and clip.fps==25 and clip.uv is None and clip.points is None
    assert all(torch.equal(torch.from_numpy(scene.truth(shots[1])[k]), getattr(clip, k)[1,0]) for k in ('ids','classes','things','parts','depth'))

@pytest.mark.parametrize('size', [(32,32), (33,129), (512,32)])
def test_any_size(size):
    clip = Scene([over_all(*size), spinning(*size)], size).clip(2, uv=True)
    assert clip.size==size and clip.uv.shape==(2,2,*size) and clip.visible[1].mean()>.8

def test_key_points_and_light_of_a_kind_of_scene():
    class Lamp(Scene):
        def grade(self, rgb, t): return rgb*(1-t/2)
        def points(self, t): return [[3+t, 4, 1.], [7, 8, .5]]
    scene = Lamp([Layer(plain(20, 20), still(shift(0, 0)))], (20,20))
    clip = scene.clip(2)
    assert clip.points.shape==(2,2,3) and clip.points[1,0].tolist()==[4,4,1]
    assert clip.frames[0].min()==1 and abs(float(clip.frames[1].mean()))<.01

@pytest.mark.parametrize('frames', [0, -1, 2.5, '3'])
def test_too_few_frames_are_named(frames):
    with pytest.raises(InputError, match='scene: frames='): Scene([over_all(9, 9)], (9,9)).clip(frames)

# ---- seeds

def test_seeds_of_splits_have_nothing_in_common():
    drawn = {split: seeds(split, 50) for split in ('train','validation','test')}
    assert all(len(set(s))==50 and {split_of(x) for x in s}=={split} for split,s in drawn.items())
    assert drawn['train'][:10]==[0,1,2,3,4,5,6,7,10,11] and drawn['validation'][:2]==[8,18] and drawn['test'][:2]==[9,19] and seeds('train', 0)==[]

def test_an_unknown_split_is_named():
    with pytest.raises(InputError, match="split='dev': no such split; choose one of train, validation, test"): seeds('dev', 3)
