"The generator: what it looks at, how it moves and blends, and that a film is made from its own frames"
import weakref
from types import SimpleNamespace
import pytest, torch
from torch.testing import assert_close
from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.motion.warp import warp
from v2v_tutorial.vid2vid.generator import (GeneratorConfig, SequentialGenerator, Step, TemporalCritic, blend, label_motion, label_window,
                                            roll_out)

SIZES = [(16,16), (32,48), (17,18), (33,47), (31,16), (48,15), (5,7)]

def noise(*shape, seed=0): return torch.rand(shape, generator=torch.Generator().manual_seed(seed))*2 - 1

def build(seed=0, **fields):
    torch.manual_seed(seed)
    return SequentialGenerator(GeneratorConfig(**{**dict(width=16), **fields}))

def seen(h=32, w=32, b=1, labels=1, window=2, past=2): # what a generator is given: labels, history, plate
    return noise(b,window,labels,h,w), noise(b,past,3,h,w, seed=1), noise(1,3,h,w, seed=2)

def push(generator, flow=(0.,0.), mask=0.): # heads that say the same everywhere
    with torch.no_grad():
        generator.move.weight.zero_()
        generator.move.bias.copy_(torch.tensor([*flow, mask]))
    return generator

# ---- shapes

@pytest.mark.parametrize('h,w', SIZES)
def test_any_size_in_is_the_size_out(h, w):
    step = build().step(*seen(h, w, b=2))
    shapes = {k: tuple(v.shape) for k,v in vars(step).items()}
    assert shapes==dict(fake=(2,3,h,w), raw=(2,3,h,w), warped=(2,3,h,w), flow=(2,2,h,w), mask=(2,1,h,w))

@pytest.mark.parametrize('h,w', [(33,47), (5,20)])
def test_odd_frames_are_worked_on_as_if_their_border_went_on(h, w):
    "Padding on the right and below, cut off again at the same place: nothing shifts"
    generator, parts = build(), seen(h, w)
    grow = lambda x: x[..., torch.arange(h + -h%16).clamp(max=h-1), :][..., torch.arange(w + -w%16).clamp(max=w-1)]
    torch.nn.init.normal_(generator.move.weight, std=.1)
    small, large = generator.step(*parts), generator.step(*map(grow, parts))
    for key in ('raw','flow','mask'): assert_close(getattr(small, key), getattr(large, key)[...,:h,:w])

@pytest.mark.parametrize('fields', [dict(labels=3), dict(window=1), dict(window=4), dict(past=2), dict(plate=False), dict(flow=False)])
def test_every_arm_makes_a_frame(fields):
    c = build(**fields).config
    step = build(**fields).step(*seen(labels=c.labels, window=c.window))
    assert step.fake.shape==(1,3,32,32) and step.fake.abs().max()<=1
    assert c.channels==c.labels*c.window + 3*c.past + (3 if c.plate else 0)

# ---- blending and moving

def test_blend_is_hallucination_where_the_mask_is_one():
    raw, warped = torch.full((1,3,2,2), .8), torch.full((1,3,2,2), -.4)
    mask = torch.tensor([[1.,0.],[.5,.25]]).view(1,1,2,2)
    assert_close(blend(raw, warped, mask)[0,0], torch.tensor([[.8,-.4],[.2,-.1]]))

def test_a_mask_of_one_gives_the_hallucination_exactly():
    step = push(build(), mask=200.).step(*seen())
    assert step.mask.min()==1 and torch.equal(step.fake, step.raw) and not torch.equal(step.fake, step.warped)

def test_a_mask_of_zero_gives_the_warped_past_exactly():
    step = push(build(), mask=-200.).step(*seen())
    assert step.mask.max()==0 and torch.equal(step.fake, step.warped) and not torch.equal(step.fake, step.raw)

def test_sharp_warping_is_bicubic_and_stays_in_range():
    labels, history, plate = seen()
    history = history.sign()  # nothing but outlines
    soft, sharp = (push(build(sharp=s), flow=(.05,.05), mask=-200.).step(labels, history, plate).warped for s in (False, True))
    assert_close(sharp, warp(history[:,-1], torch.full((1,2,32,32), .5), 'bicubic').clamp(-1, 1), atol=1e-5, rtol=0)
    assert_close(soft, warp(history[:,-1], torch.full((1,2,32,32), .5)), atol=1e-5, rtol=0)
    assert sharp.abs().max()==1 and sharp.abs().mean()>1.1*soft.abs().mean()

@pytest.mark.parametrize('past', [1,2])
def test_without_flow_the_warped_frame_is_the_newest(past):
    history = torch.stack([torch.full((3,32,32), v) for v in (.1,.9)])[None]
    labels, _, plate = seen()
    assert_close(build(past=past).step(labels, history, plate).warped, history[:,1])

def test_a_new_generator_stands_still_and_is_undecided():
    step = build().step(*seen())
    assert not step.flow.any() and (step.mask==.5).all()

@pytest.mark.parametrize('x,y', [(.3,0.), (0.,-.2), (-.1,.4)])
def test_flow_is_in_tens_of_pixels_x_then_y(x, y):
    generator, (labels, history, plate) = push(build(), flow=(x,y)), seen()
    step = generator.step(labels, history, plate)
    wanted = torch.tensor([10*x,10*y]).view(1,2,1,1).expand(1,2,32,32)
    assert_close(step.flow, wanted, atol=1e-5, rtol=0)
    assert_close(step.warped, warp(history[:,-1], wanted.contiguous()), atol=1e-4, rtol=0)

def test_flow_says_where_a_pixel_came_from():
    "Flow (3,0) fetches the pixel three to the right"
    labels, history, plate = seen()
    step = push(build(), flow=(.3,0.)).step(labels, history, plate)
    assert_close(step.warped[...,:-3], history[:,-1,:,:,3:], atol=1e-4, rtol=0)

def test_without_a_flow_arm_every_pixel_is_painted():
    generator = build(flow=False)
    step = generator.step(*seen())
    assert torch.equal(step.fake, step.raw) and step.warped is step.flow is step.mask is None
    assert not any(name.startswith('move') for name,_ in generator.named_parameters())

# ---- what it looks at

def changed(generator, parts, i, cut): # does the hallucination change with that part of the input?
    other = [p.clone() for p in parts]
    other[i][cut] += .5
    return not torch.equal(generator.step(*parts).raw, generator.step(*other).raw)

@pytest.mark.parametrize('past,sees_older', [(1,False), (2,True)])
def test_it_looks_at_the_newest_frames(past, sees_older):
    generator, parts = build(past=past), seen()
    assert changed(generator, parts, 1, (0,-1)) and changed(generator, parts, 1, (0,0)) is sees_older

def test_it_looks_at_every_label_of_the_window():
    generator, parts = build(window=3), seen(window=3)
    assert all(changed(generator, parts, 0, (0,i)) for i in range(3))

def test_order_of_labels_and_frames_matters():
    generator, (labels, history, plate) = build(past=2), seen()
    raw = generator.step(labels, history, plate).raw
    assert not torch.allclose(raw, generator.step(labels.flip(1), history, plate).raw)
    assert not torch.allclose(raw, generator.step(labels, history.flip(1), plate).raw)

def test_the_plate_is_seen_and_shared_by_the_batch():
    generator, (labels, history, plate) = build(), seen(b=2)
    assert changed(generator, [labels, history, plate], 2, 0)
    assert_close(generator.step(labels, history, plate).fake, generator.step(labels, history, plate.expand(2,-1,-1,-1)).fake)

def test_without_a_plate_none_is_needed_and_none_is_seen():
    generator, (labels, history, plate) = build(plate=False), seen()
    assert torch.equal(generator.step(labels, history).fake, generator.step(labels, history, plate).fake)

@pytest.mark.parametrize('flow', [True, False])
def test_samples_of_a_batch_do_not_meet(flow):
    generator, (labels, history, plate) = build(flow=flow), seen(b=2)
    alone = generator.step(labels[1:], history[1:], plate).fake
    assert_close(generator.step(labels, history, plate).fake[1:], alone, atol=1e-5, rtol=0)

BAD = dict(window=lambda l,h,p: (l[:,:1],h,p), channels=lambda l,h,p: (l.expand(-1,-1,2,-1,-1),h,p), no_past=lambda l,h,p: (l,h[:,:0],p),
           grey_past=lambda l,h,p: (l,h[:,:,:1],p), small_past=lambda l,h,p: (l,h[...,:-1],p), no_plate=lambda l,h,p: (l,h,None),
           small_plate=lambda l,h,p: (l,h,p[...,:-1,:]), batch=lambda l,h,p: (l,h.expand(2,-1,-1,-1,-1),p), no_time=lambda l,h,p: (l[:,0],h,p))

@pytest.mark.parametrize('mistake', BAD)
def test_a_wrong_shape_is_named(mistake):
    with pytest.raises(InputError, match=r'labels|history|plate') as found: build().step(*BAD[mistake](*seen()))
    assert '\n' not in str(found.value) and '(' in str(found.value)

@pytest.mark.parametrize('field,value', [('width',24), ('width',8), ('width',0), ('labels',0), ('window',0), ('past',0)])
def test_a_shape_that_cannot_be_is_refused(field, value):
    with pytest.raises(InputError, match=f'{field}={value}'): GeneratorConfig(**{field: value})

# ---- gradients

def test_gradient_reaches_every_head_and_the_body():
    generator = build()
    step = generator.step(*seen())
    (step.fake - noise(1,3,32,32, seed=5)).square().sum().backward()
    moves = generator.move.weight.grad
    for part in (moves[:1], moves[1:2], moves[2:], generator.paint.weight.grad, generator.body.inp.weight.grad):
        assert part.abs().sum()>0 and part.isfinite().all()

def test_every_weight_learns_once_the_heads_move():
    generator = build()
    for block in generator.modules():
        if hasattr(block, 'b'): torch.nn.init.normal_(block.b.weight, std=.05)
    torch.nn.init.normal_(generator.move.weight, std=.05)
    generator.step(*seen()).fake.square().sum().backward()
    assert not [name for name,p in generator.named_parameters() if p.grad is None or not p.grad.any()]

# ---- label windows

def counted(t=6): return torch.arange(float(t)).view(t,1,1,1) # labels that say when they are

@pytest.mark.parametrize('t,window,wanted', [(5,2,[4,5]), (5,1,[5]), (3,4,[0,1,2,3]), (0,3,[0,0,0]), (1,3,[0,0,1])])
def test_window_is_oldest_first_and_repeats_the_first(t, window, wanted):
    assert label_window(counted(), t, window).flatten().tolist()==wanted

# ---- roll-out

class Recipe:
    "A generator whose frames can be worked out by hand: twice the last one, plus the one before, plus label/100"
    def __init__(self, window=2): self.config, self.calls = SimpleNamespace(window=window), []
    def step(self, labels, history, plate=None):
        self.calls.append((labels.flatten().tolist(), tuple(history.shape), plate))
        return Step(2*history[:,-1] + history[:,-2] + labels[:,-1].mean()/100)

def start(): return torch.tensor([1.,3.]).view(2,1,1,1).expand(2,3,1,1) # 1, then 3

def test_each_frame_is_made_from_the_ones_made_before():
    made = [s.fake[0,0,0,0].item() for s in roll_out(Recipe(), 0*counted(4), start())]
    assert made==[7,17,41,99]

def test_start_skips_frames_but_not_their_labels():
    recipe = Recipe()
    assert len(list(roll_out(recipe, counted(6), start(), start=4)))==2
    assert [labels for labels,*_ in recipe.calls]==[[3,4],[4,5]]

def test_plate_and_batch_of_one_reach_the_generator():
    recipe, plate = Recipe(window=3), noise(1,3,1,1)
    list(roll_out(recipe, counted(2), start(), plate))
    assert all(shape==(1,2,3,1,1) and given is plate and len(labels)==3 for labels,shape,given in recipe.calls)

def test_nothing_is_made_before_it_is_asked_for():
    recipe = Recipe()
    film = roll_out(recipe, counted(6), start())
    assert iter(film) is film and not recipe.calls
    next(film)
    assert len(recipe.calls)==1

def test_memory_does_not_grow_with_the_film():
    recipe, frames = Recipe(), []
    for step in roll_out(recipe, counted(12), start()): frames.append(weakref.ref(step.fake))
    del step
    assert {shape for _,shape,_ in recipe.calls}=={(1,2,3,1,1)} and sum(f() is not None for f in frames)<=2

def film(generator, labels, history, **kw): return torch.cat([s.fake for s in roll_out(generator, labels, history, noise(1,3,16,16, seed=3), **kw)])

def test_a_film_is_the_same_twice_and_carries_no_graph():
    generator, labels, history = build(), noise(5,1,16,16), noise(2,3,16,16)
    first = film(generator, labels, history)
    assert torch.equal(first, film(generator, labels, history)) and not first.requires_grad

def test_what_went_before_shapes_what_follows():
    "Another start gives another last frame; another last label leaves the frames before it alone"
    generator, labels, history = build(), noise(5,1,16,16), noise(2,3,16,16)
    made, later = film(generator, labels, history), labels.clone()
    later[-1] += 1
    assert not torch.equal(made[-1], film(generator, labels, -history)[-1])
    assert torch.equal(made[:-1], film(generator, later, history)[:-1])

def test_the_given_history_is_left_alone():
    history = noise(2,3,16,16)
    kept = history.clone()
    film(build(), noise(3,1,16,16), history)
    assert torch.equal(history, kept)

# ---- temporal critic

def looked_at(critic, frames, flows): # what its first layer is given
    kept = []
    hook = critic.layers[0].register_forward_pre_hook(lambda _,x: kept.append(x[0]))
    critic(frames, flows)
    hook.remove()
    return kept[0]

def test_critic_sees_frames_oldest_first_and_then_flows():
    frames = torch.tensor([.1,.2,.3]).view(1,3,1,1,1).expand(2,3,3,32,32)
    flows = torch.tensor([[20.,40.],[-10.,5.]]).view(1,2,2,1,1).expand(2,2,2,32,32)
    x = looked_at(TemporalCritic(3, 4), frames, flows)
    assert_close(x[0,:,0,0], torch.tensor([.1]*3 + [.2]*3 + [.3]*3 + [1.,2.,-.5,.25]))

@pytest.mark.parametrize('count,channels', [(2,8), (3,13), (4,18)])
def test_critic_has_a_channel_for_each_colour_and_direction(count, channels):
    critic = TemporalCritic(count, 4)
    features = critic(noise(2,count,3,32,40), noise(2,count-1,2,32,40))
    assert critic.layers[0][0].in_channels==channels
    assert len(features)==4 and features[0].shape[1]==4 and features[-1].shape[:2]==(2,1) and features[-1].shape[2:]!=(1,1)

@pytest.mark.parametrize('frames,flows', [(2,2), (4,3), (3,3), (3,1)])
def test_critic_refuses_a_wrong_count(frames, flows):
    with pytest.raises(InputError, match='3 frames and 2 flows'): TemporalCritic(3, 4)(noise(1,frames,3,16,16), noise(1,flows,2,16,16))

# ---- labels move too

def shifted(dx, dy, classes=1, size=64): # labels (1,2,classes,size,size) whose content moves by (dx,dy)
    texture = torch.nn.functional.interpolate(noise(1,1,16,16), size=(size+16,size+16), mode='bilinear')[0,0]
    ids = ((texture+1)*3).long().clamp(0, 5) if classes>1 else (texture>0).long()
    frames = [ids[8-y:8-y+size, 8-x:8-x+size] for x,y in ((0,0), (dx,dy))]
    planes = lambda i: torch.stack([(i==c).float() for c in range(6)]) if classes>1 else i[None].float()
    return torch.stack([planes(i) for i in frames])[None]

@pytest.mark.parametrize('dx,dy', [(2,0), (0,-2), (-1,2)])
def test_motion_of_labels_points_back_to_where_they_were(dx, dy):
    found = label_motion(shifted(dx, dy))[0,:,12:-12,12:-12].flatten(1).median(1).values
    assert_close(found, torch.tensor([-dx,-dy]).float(), atol=.35, rtol=0)

def test_motion_of_labels_sees_classes():
    found = label_motion(shifted(2, 0, classes=6))[0,:,12:-12,12:-12].flatten(1).median(1).values
    assert_close(found, torch.tensor([-2.,0.]), atol=.35, rtol=0)

@pytest.mark.parametrize('h,w', [(5,7), (16,40), (33,15)])
def test_motion_of_labels_has_any_size(h, w): assert label_motion(noise(2,2,1,h,w)>.5).shape==(2,2,h,w)

def test_flow_starts_from_the_motion_of_the_labels():
    labels = shifted(2, 0)
    _, past, plate = seen(64, 64)
    step = push(build(motion=True)).step(labels, past, plate)
    assert_close(step.flow, label_motion(labels))
    assert step.flow.abs().max()>1
    assert_close(step.warped, warp(past[:,-1], step.flow))
    assert_close(push(build(motion=True), flow=(.1,-.2)).step(labels, past, plate).flow, label_motion(labels) + torch.tensor([1.,-2.]).view(1,2,1,1))
