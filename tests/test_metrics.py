"Measures against cases that can be worked out on paper, and cheats that they have to catch"
import math
import pytest, torch
import torch.nn.functional as F
from torch.testing import assert_close
from v2v_tutorial import metrics
from v2v_tutorial.clips.clip import Clip, InputError, read_video
from v2v_tutorial.metrics import (MEASURES, Perceptual, evaluate, flow_source, gradient_energy, motion_epe, perceptual, perceptual_net, psnr,
                                  score_table, ssim, warp_error)
from v2v_tutorial.motion.warp import flow_dis, flows_dis

def noise(*shape, seed=0): return torch.rand(shape, generator=torch.Generator().manual_seed(seed))*2 - 1

def texture(h, w): # (1,3,h,w): soft blobs, so that a flow can be found
    return F.interpolate(noise(1,3,h//4+1,w//4+1), size=(h,w), mode='bicubic', align_corners=True).clamp(-1, 1)

def pan(dx=2, dy=1, t=5, h=40, w=48):
    "A window that moves over a texture by (dx,dy) a frame: everything in it moves by (-dx,-dy), the backward flow is (dx,dy)"
    far = texture(h + t*abs(dy), w + t*abs(dx))[0]
    at = lambda k,d: k*d if d>=0 else (t-1-k)*-d
    frames = torch.stack([far[:, at(k, dy):at(k, dy)+h, at(k, dx):at(k, dx)+w] for k in range(t)])
    flow = torch.tensor([dx,dy]).float().view(1,2,1,1).expand(t,2,h,w).clone()
    ys,xs = torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij')
    seen = ((xs+dx>=0)&(xs+dx<w)&(ys+dy>=0)&(ys+dy<h)).float().expand(t,1,h,w).clone()
    flow[0],seen[0] = 0,0
    return Clip(frames, flow=flow, visible=seen, name='pan')

@pytest.fixture(scope='module')
def face(real_clips): return read_video(real_clips/'carphone_pristine.mp4', 20, 26)

def grain(x, size): return x + size*torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
def blur(x, n=5): return F.avg_pool2d(F.pad(x, (n//2,)*4, mode='replicate'), n, 1)

# ---- fidelity

@pytest.mark.parametrize('offset', [.01, .1, .5, 2])
def test_psnr_of_a_constant_offset(offset):
    real = torch.full((3,3,8,8), -1.)
    assert psnr(real+offset, real)==pytest.approx(10*math.log10(4/offset**2), abs=1e-3)

def test_psnr_of_equal_frames_is_a_hundred(): assert psnr(noise(2,3,8,8), noise(2,3,8,8))==pytest.approx(100, abs=1e-4)

def test_psnr_is_the_mean_over_frames():
    "One bad frame among good ones: the mean of the frames' own values, not the value of the mean error"
    real = torch.zeros(2,3,8,8)
    fake = real + torch.tensor([.02,.2]).view(2,1,1,1)
    assert psnr(fake, real)==pytest.approx((40+20)/2, abs=1e-3)

def test_ssim_of_two_flat_greys():
    "Only the term of the means is left: (2ab + c)/(a² + b² + c), c = (.01*2)²"
    a,b,c = .5,-.25,(.01*2)**2
    want = (2*a*b + c)/(a*a + b*b + c)
    assert ssim(torch.full((2,3,24,24), a), torch.full((2,3,24,24), b))==pytest.approx(want, abs=1e-3)

def test_ssim_of_equal_frames_is_one(face): assert ssim(face.frames, face.frames)==pytest.approx(1, abs=1e-6)

def test_ssim_falls_with_blur_and_noise(face):
    scores = [ssim(f(face.frames), face.frames) for f in (lambda x: x, lambda x: blur(x, 3), lambda x: blur(x, 7), lambda x: grain(x, .5))]
    assert 1>=scores[0]>scores[1]>scores[2] and scores[3]<.7

@pytest.mark.parametrize('measure', [psnr, ssim, perceptual, motion_epe])
@pytest.mark.parametrize('fake', [(2,3,32,33), (3,3,32,32), (2,1,32,32), (3,32,32)])
def test_shapes_that_differ_are_named(measure, fake):
    with pytest.raises(InputError, match='one shape'): measure(torch.zeros(fake), torch.zeros(2,3,32,32))

# ---- perceptual

def test_perceptual_of_equal_frames_is_zero(face): assert perceptual(face.frames[:2], face.frames[:2])<1e-6

def test_perceptual_grows_with_blur(face):
    scores = [perceptual(blur(face.frames[:2], n), face.frames[:2]) for n in (1,3,5,9)]
    assert scores==sorted(scores) and scores[0]<1e-6 and scores[1]>.1 and scores[3]>1.5*scores[1]

def test_perceptual_minds_blur_more_than_a_little_light(face):
    "That is what it is for: in PSNR the brighter frames are the worse ones"
    real = face.frames[:2].clamp(-1, .8)
    soft,bright = blur(real, 5),real+.2
    assert psnr(soft, real)>psnr(bright, real) and perceptual(soft, real)>2*perceptual(bright, real)

def test_perceptual_is_a_mean_over_frames(face):
    "Batches of eight, and the last one is smaller: each frame counts once"
    real = face.frames[:1,:,:64,:64].expand(9,-1,-1,-1)
    fake = real.clone()
    fake[8:] = blur(real[8:], 7)
    assert perceptual(fake, real)==pytest.approx(perceptual(fake[8:], real[8:])/9, rel=1e-3)

def test_perceptual_is_the_same_both_ways(face):
    a,b = face.frames[:1],blur(face.frames[:1])
    assert perceptual(a, b)==pytest.approx(perceptual(b, a), rel=1e-4)

def test_perceptual_teaches_what_is_generated(face):
    net,fake = Perceptual(depth=4),blur(face.frames[:1]).requires_grad_()
    before = net(fake, face.frames[:1])
    before.sum().backward()
    assert fake.grad.abs().sum()>0 and all(p.grad is None for p in net.parameters())
    step = fake.detach() - .2*fake.grad/fake.grad.norm()
    assert net(step, face.frames[:1])<before

def test_perceptual_net_never_trains():
    net = Perceptual(depth=2)
    state = {k: v.clone() for k,v in net.state_dict().items()}
    assert not net.train().training and not any(m.training for m in net.modules()) and not any(p.requires_grad for p in net.parameters())
    net(noise(2,3,32,32)*3, noise(2,3,32,32))
    for k,v in net.state_dict().items(): assert_close(v, state[k], atol=0, rtol=0)

@pytest.mark.parametrize('level,share', [(-1,0), (0,.5), (1,1)])
def test_network_sees_the_range_it_was_trained_on(level, share):
    "Black is 0 and white 1, less the mean of ImageNet, over its deviation"
    seen,net = [],Perceptual(depth=0)
    net.stem.register_forward_pre_hook(lambda _,given: seen.append(given[0]))
    net.features(torch.full((1,3,32,32), float(level)))
    want = [(share-m)/s for m,s in zip((.485,.456,.406), (.229,.224,.225))]
    assert_close(seen[0].mean((0,2,3)), torch.tensor(want), atol=1e-4, rtol=0)

def test_features_have_length_one_at_each_place():
    for f in perceptual_net().features(noise(1,3,40,48)): assert_close(f.norm(dim=1), torch.ones_like(f[:,0]), atol=1e-3, rtol=0)

def test_shallow_net_is_a_part_of_the_deep_one():
    x = noise(1,3,32,32)
    few,all_ = Perceptual(depth=4).features(x),perceptual_net().features(x)
    assert len(few)==3 and len(all_)==6
    for a,b in zip(few, all_): assert_close(a, b)

# ---- flicker

MOVES = [(2,1), (-2,1), (3,0), (0,-2), (0,3)]

@pytest.mark.parametrize('dx,dy', MOVES)
def test_true_flow_explains_a_pan(dx, dy):
    clip = pan(dx, dy)
    assert warp_error(clip.frames, clip.flow, clip.visible)<1e-5
    assert warp_error(clip.frames, -clip.flow, clip.visible)>.05
    assert warp_error(clip.frames, clip.flow.flip(1)+1, clip.visible)>.05

@pytest.mark.parametrize('dx,dy', MOVES)
def test_pixels_that_were_not_seen_do_not_count(dx, dy):
    clip = pan(dx, dy)
    assert warp_error(clip.frames, clip.flow, torch.ones_like(clip.visible))>.005
    spoilt = torch.where(clip.visible.bool(), clip.frames, 1-clip.frames*.5)
    spoilt[0] = clip.frames[0]
    assert warp_error(torch.cat([clip.frames[:1], spoilt[1:2]]), clip.flow[:2], clip.visible[:2])<1e-5

def test_each_visible_pixel_counts_once():
    "A frame of which much is hidden has no more weight than its pixels"
    frames,flow,seen = torch.zeros(3,3,4,4),torch.zeros(3,2,4,4),torch.zeros(3,1,4,4)
    frames[1],frames[2] = 1,1.5  # gaps of 1 and of .5
    seen[1,...,:1,:],seen[2] = 1,1
    assert warp_error(frames, flow, seen)==pytest.approx((4*1 + 16*.5)/20)

def test_first_frame_has_no_past():
    clip = pan()
    clip.flow[0],clip.visible[0] = 99,1
    assert warp_error(clip.frames, clip.flow, clip.visible)<1e-5

def test_nothing_visible_is_no_error():
    clip = pan()
    assert warp_error(clip.frames, clip.flow, torch.zeros_like(clip.visible))==0

def test_flicker_is_measured_in_levels():
    "Frames that jump up and down by .1 over a still picture"
    frames = torch.zeros(6,3,8,8)
    frames[1::2] = .1
    assert warp_error(frames, torch.zeros(6,2,8,8), torch.ones(6,1,8,8))==pytest.approx(.1)

# ---- sharpness

@pytest.mark.parametrize('x,y', [(.02,0), (0,.05), (.02,.05), (-.03,.01)])
def test_gradient_energy_of_a_ramp(x, y):
    ramp = x*torch.arange(12.) + y*torch.arange(9.).view(9,1)
    assert gradient_energy(ramp.expand(2,3,9,12))==pytest.approx(abs(x)+abs(y), rel=1e-3)

def test_blur_lowers_gradient_energy_and_noise_raises_it(face):
    real = gradient_energy(face.frames)
    assert gradient_energy(blur(face.frames, 3))<.9*real and gradient_energy(grain(face.frames, .1))>1.2*real

def test_gradient_energy_of_flat_grey_is_zero(): assert gradient_energy(torch.full((2,3,8,8), .3))==0

# ---- motion

@pytest.mark.parametrize('dx,dy', [(2,0), (0,-3), (3,2)])
def test_frozen_film_misses_the_whole_motion(dx, dy):
    "Its own flow is zero, so what is missed is the mean length of the real flow"
    real = pan(dx, dy, h=64, w=80).frames
    frozen = real[:1].expand_as(real)
    want = flow_dis(real[:-1], real[1:]).norm(dim=1).mean().item()
    assert motion_epe(frozen, real)==pytest.approx(want, rel=1e-2) and want==pytest.approx(math.hypot(dx, dy), rel=.15)

def test_same_motion_in_other_colours_is_followed():
    real = pan(2, 0, h=64, w=80).frames
    assert motion_epe(-.8*real, real)<.3 and motion_epe(real.flip(0), real)>3  # run backwards, it misses twice the speed

def test_same_film_follows_exactly(face): assert motion_epe(face.frames, face.frames)==0

def test_motion_is_that_of_neighbours_and_not_of_the_first_frame():
    "A film that jumps once and stands still misses one step more than one that follows"
    real = pan(2, 0, t=6, h=64, w=80).frames
    late = real[[0,0,1,2,3,4]]  # one frame late: the same motion but for the first step
    assert motion_epe(late, real)==pytest.approx(2/5, abs=.15)

# ---- all together

KEYS = 'psnr','ssim','perceptual','warp_error','gradient_energy','motion_epe','excess_warp_error'

@pytest.fixture(scope='module')
def rows():
    clip = pan(2, 1, h=48, w=64)
    films = dict(real=clip.frames, frozen=clip.frames[:1].expand_as(clip.frames), soft=blur(clip.frames, 7),
                 rough=grain(clip.frames, .1))
    return {k: evaluate(v, clip) for k,v in films.items()}

def test_row_holds_every_measure(rows):
    for row in rows.values(): assert tuple(row)==KEYS and all(isinstance(v, float) for v in row.values())

def test_real_film_is_the_best(rows):
    best = rows['real']
    assert best['psnr']==pytest.approx(100, abs=1e-4) and best['ssim']==pytest.approx(1, abs=1e-5) and best['perceptual']<1e-6
    assert best['motion_epe']==0 and best['excess_warp_error']==0
    for name in ('frozen','soft','rough'):
        row = rows[name]
        assert row['psnr']<best['psnr'] and row['ssim']<best['ssim'] and row['perceptual']>best['perceptual'], name

def test_each_cheat_is_caught_by_some_column(rows):
    real = rows['real']
    assert rows['frozen']['motion_epe']>1 and rows['soft']['gradient_energy']<.85*real['gradient_energy']
    assert rows['rough']['gradient_energy']>1.15*real['gradient_energy'] and rows['rough']['excess_warp_error']>.05

@pytest.fixture
def no_net(monkeypatch): monkeypatch.setattr(metrics, 'perceptual', lambda fake,real: 0.)

def test_excess_is_a_distance_from_both_sides(face, no_net):
    "Blur lowers the warp error below that of the real film, and that is a fault too"
    flow,seen = flows_dis(face.frames)
    real = warp_error(face.frames, flow, seen)
    soft,rough = evaluate(blur(face.frames), face),evaluate(grain(face.frames, .2), face)
    assert soft['warp_error']<real<rough['warp_error']
    assert soft['excess_warp_error']==pytest.approx(real-soft['warp_error'], abs=1e-6)
    assert rough['excess_warp_error']==pytest.approx(rough['warp_error']-real, abs=1e-6)

def test_flow_is_that_of_the_real_film(face, no_net):
    "A film that moves as it likes is held against real motion, not against its own"
    fake = face.frames.flip(0)
    flow,seen = flows_dis(face.frames)
    assert evaluate(fake, face)['warp_error']==pytest.approx(warp_error(fake, flow, seen), abs=1e-6)
    assert abs(warp_error(fake, *flows_dis(fake))-warp_error(fake, flow, seen))>.003  # so that the two can be told apart

def test_truth_is_used_where_a_world_knows_it(no_net):
    clip = pan(2, 1, h=48, w=64)
    known,guessed = evaluate(clip.frames, clip),evaluate(clip.frames, Clip(clip.frames))
    assert known['warp_error']<1e-5<guessed['warp_error']
    assert 'truth' in flow_source(clip) and 'DIS' in flow_source(Clip(clip.frames))

def test_film_of_another_length_is_refused(face):
    with pytest.raises(InputError, match='one shape'): evaluate(face.frames[:-1], face)

# ---- tables

ROWS = {'no_flow': dict(psnr=21.456, gradient_energy=.05, excess_warp_error=.00123, first=1.), 'real': dict(psnr=100., gradient_energy=.2, excess_warp_error=0., first=0.)}

def test_a_table_of_scores_has_titles_and_energy_relative_to_real():
    head, _, row, real = score_table(ROWS, ('psnr','gradient_energy','excess_warp_error','first')).data.splitlines()
    assert head=='| row | PSNR, dB | gradient energy / real | excess warp error | first |'
    assert row=='| no flow | 21.46 | 0.25 | 0.0012 | 1.000 |'
    assert real=='| real | 100.00 | 1.00 | 0.0000 | 0.000 |'

def test_a_table_of_scores_shows_all_that_evaluate_measures():
    assert set(MEASURES)=={*evaluate(noise(3,3,48,48), Clip(noise(3,3,48,48, seed=1)))} - {'warp_error'}  # the excess stands for it

def test_a_table_of_scores_without_real_is_refused():
    with pytest.raises(InputError, match='one called real'): score_table({'model': ROWS['no_flow']})
