"The warp contract: backward, in pixels, x then y, bilinear, nearest border pixel off the picture"
import sys
import cv2, numpy as np, pytest, torch
from torch.testing import assert_close
from v2v_tutorial.clips.clip import InputError, read_video, to_uint8
from v2v_tutorial.clips.world import World
from v2v_tutorial.motion.warp import flow_dis, flows_dis, pixel_grid, visible, warp
from v2v_tutorial.pages import code_cells, read_page
from conftest import ROOT

SIZES = [(6,8), (8,6), (5,7), (7,7), (1,9), (9,1), (1,1), (2,3), (33,17)]
each_size = pytest.mark.parametrize('h,w', SIZES)

def still(b=1, h=6, w=8): return torch.zeros(b,2,h,w)

def constant(x, y, b=1, h=6, w=8): # flow that is the same everywhere
    return torch.tensor([x,y]).float().view(1,2,1,1).expand(b,2,h,w).clone()

def noise(*shape, seed=0): return torch.rand(shape, generator=torch.Generator().manual_seed(seed))

def by_hand(source, flow):
    "The contract, one pixel at a time: bilinear between the four pixels around a place that was moved into the picture"
    b,_,h,w = source.shape
    out = torch.zeros_like(source)
    for n in range(b):
        for y in range(h):
            for x in range(w):
                px,py = min(max(x + flow[n,0,y,x].item(), 0), w-1),min(max(y + flow[n,1,y,x].item(), 0), h-1)
                x0,y0 = int(px),int(py)
                x1,y1,ax,ay = min(x0+1, w-1),min(y0+1, h-1),px-x0,py-y0
                upper = (1-ax)*source[n,:,y0,x0] + ax*source[n,:,y0,x1]
                lower = (1-ax)*source[n,:,y1,x0] + ax*source[n,:,y1,x1]
                out[n,:,y,x] = (1-ay)*upper + ay*lower
    return out

# ---- what the grid counts

def test_grid_counts_columns_then_rows():
    grid = pixel_grid(2, 3)
    assert grid.tolist()==[[[0,1,2],[0,1,2]], [[0,0,0],[1,1,1]]]

@pytest.mark.parametrize('kind', [torch.float64, torch.float16])
def test_grid_takes_the_type_of_its_model(kind): assert pixel_grid(2, 3, torch.zeros(1, dtype=kind)).dtype==kind

# ---- values

@each_size
def test_zero_flow_changes_nothing(h, w):
    frame = noise(2,3,h,w)
    assert_close(warp(frame, still(2, h, w)), frame, atol=1e-6, rtol=0)

@each_size
@pytest.mark.parametrize('dx,dy', [(1,0), (-1,0), (0,1), (0,-1), (2,1), (-3,2)])
def test_whole_shift_fetches_that_pixel(h, w, dx, dy):
    "warp(source, flow)(p) = source(p + flow(p)), and the nearest border pixel where that is off the picture"
    frame = noise(1,3,h,w)
    ys,xs = (torch.arange(h)+dy).clamp(0, h-1),(torch.arange(w)+dx).clamp(0, w-1)
    assert_close(warp(frame, constant(dx, dy, 1, h, w)), frame[...,ys,:][...,xs], atol=1e-5, rtol=0)

def test_positive_x_moves_the_picture_left():
    frame = torch.arange(8.).expand(1,1,6,8)
    assert_close(warp(frame, constant(1,0))[0,0,0], torch.tensor([1.,2,3,4,5,6,7,7]), atol=1e-5, rtol=0)

def test_positive_y_moves_the_picture_up():
    frame = torch.arange(6.).view(1,1,6,1).expand(1,1,6,8)
    assert_close(warp(frame, constant(0,1))[0,0,:,0], torch.tensor([1.,2,3,4,5,5]), atol=1e-5, rtol=0)

@pytest.mark.parametrize('move', [(3,1), (-2,3), (0,-2), (4,0)])
def test_moved_dot_is_fetched_by_the_flow_that_points_back(move):
    dx,dy = move
    before,after = torch.zeros(1,1,9,13),torch.zeros(1,1,9,13)
    before[...,4,6],after[...,4+dy,6+dx] = 1,1
    assert_close(warp(before, constant(-dx, -dy, 1, 9, 13)), after, atol=1e-5, rtol=0)

def test_half_a_pixel_is_the_mean_of_two():
    frame = noise(1,3,6,8)
    assert_close(warp(frame, constant(.5,0))[...,:-1], (frame[...,:-1]+frame[...,1:])/2, atol=1e-5, rtol=0)
    assert_close(warp(frame, constant(0,.25))[...,:-1,:], .75*frame[...,:-1,:]+.25*frame[...,1:,:], atol=1e-5, rtol=0)

@pytest.mark.parametrize('h,w', [(6,8), (5,7), (1,9), (9,1), (1,1)])
@pytest.mark.parametrize('reach', [.8, 4, 40])
def test_any_flow_agrees_with_the_loop(h, w, reach):
    frame,flow = noise(2,3,h,w),(noise(2,2,h,w, seed=1)*2-1)*reach
    assert_close(warp(frame, flow), by_hand(frame, flow), atol=2e-5, rtol=0)

@pytest.mark.parametrize('h,w', [(24,32), (31,17)])
def test_fractional_flow_agrees_with_opencv(h, w):
    frame,flow = noise(1,3,h,w),((noise(1,2,h,w, seed=1)*2-1)*5*32).round()/32  # OpenCV knows 32 places between two pixels
    x,y = (pixel_grid(h, w) + flow[0]).float().numpy()
    want = cv2.remap(frame[0].movedim(0, -1).numpy(), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    assert_close(warp(frame, flow)[0].movedim(0, -1), torch.from_numpy(want), atol=2e-4, rtol=0)

def test_bicubic_keeps_detail_that_bilinear_loses():
    frame = noise(1,3,24,32)
    assert_close(warp(frame, constant(2., -1., h=24, w=32), 'bicubic'), warp(frame, constant(2., -1., h=24, w=32)))  # whole pixels
    detail = lambda x: float((x[...,4:-4,5:-4] - x[...,4:-4,4:-5]).abs().mean())
    half = constant(.5, 0., h=24, w=32)
    assert detail(warp(frame, half))<.75*detail(warp(frame, half, 'bicubic'))<.75*detail(frame)

def test_bicubic_agrees_with_its_formula():
    row, t, a = torch.tensor([0.,1.,5.,2.]), .3, -.75  # Keys (1981), with the a that PyTorch and OpenCV take
    near, far = lambda d: ((a+2)*d - (a+3))*d*d + 1, lambda d: ((a*d - 5*a)*d + 8*a)*d - 4*a
    want = row @ torch.tensor([far(1+t), near(t), near(1-t), far(2-t)])
    assert float(warp(row.view(1,1,1,4), constant(t, 0., h=1, w=4), 'bicubic')[0,0,0,1])==pytest.approx(float(want), abs=1e-5)

@pytest.mark.parametrize('far', [(100,0), (-100,0), (0,100), (0,-100), (1e6,-1e6)])
def test_off_the_picture_the_border_goes_on(far):
    frame = noise(1,3,6,8)
    x,y = [0 if f<0 else -1 if f>0 else slice(None) for f in far]
    want = frame[...,y,:][...,None,:] if isinstance(y, int) else frame
    want = want[...,x][...,None] if isinstance(x, int) else want
    assert_close(warp(frame, constant(*far)), want.expand_as(frame), atol=1e-5, rtol=0)

def test_each_sample_has_its_own_flow():
    frame,flow = noise(3,1,6,8),torch.cat([constant(1,0), constant(0,1), constant(-1,-1)])
    assert_close(warp(frame, flow), torch.cat([warp(f[None], m[None]) for f,m in zip(frame, flow)]))

def test_each_pixel_has_its_own_flow():
    frame,flow = noise(1,2,6,8),still()
    flow[:,0,2,3],flow[:,1,2,3] = 4,-2
    moved = warp(frame, flow)
    assert_close(moved[0,:,2,3], frame[0,:,0,7], atol=1e-5, rtol=0)
    moved[0,:,2,3] = frame[0,:,2,3]
    assert_close(moved, frame, atol=1e-5, rtol=0)

@pytest.mark.parametrize('channels', [1, 2, 3, 7])
def test_any_number_of_channels(channels):
    frame = noise(2,channels,5,7)
    assert_close(warp(frame, constant(1,0,2,5,7))[...,:-1], frame[...,1:], atol=1e-5, rtol=0)

def test_back_and_forth_is_where_it_began():
    frame = noise(1,3,16,16)
    there = warp(warp(frame, constant(3,-2,1,16,16)), constant(-3,2,1,16,16))
    assert_close(there[...,4:-4,4:-4], frame[...,4:-4,4:-4], atol=1e-5, rtol=0)

# ---- types

@pytest.mark.parametrize('kind', [torch.bfloat16, torch.float16])
def test_half_precision_knows_its_pixels(kind):
    "bfloat16 has no number between 256 and 258: places must not be counted in it"
    frame = noise(1,1,3,600).to(kind)
    assert_close(warp(frame, still(1,3,600).to(kind)), frame, atol=1e-4, rtol=0)
    assert_close(warp(frame, constant(5,0,1,3,600).to(kind))[...,:-5], frame[...,5:], atol=1e-4, rtol=0)

@pytest.mark.parametrize('source,flow', [(torch.bfloat16,torch.float32), (torch.float32,torch.bfloat16),
                                         (torch.float32,torch.float64), (torch.float64,torch.float32)])
def test_result_has_the_type_of_its_source(source, flow):
    frame = noise(1,3,6,8).to(source)
    moved = warp(frame, constant(1,0).to(flow))
    assert moved.dtype==source
    assert_close(moved[...,:-1], frame[...,1:], atol=1e-5, rtol=0)

# ---- gradients

def between(b, h, w): # flow that lands inside the picture and never on a pixel, where bilinear has a kink
    grid = pixel_grid(h, w).double()
    at = [(torch.randint(0, n-1, (b,h,w), generator=torch.Generator().manual_seed(k)) + .2 + .6*noise(b,h,w, seed=k)) for k,n in enumerate((w,h))]
    return (torch.stack(at, 1) - grid).double()

def test_gradient_is_right():
    frame,flow = noise(2,2,4,5).double().requires_grad_(),between(2,4,5).requires_grad_()
    assert torch.autograd.gradcheck(warp, (frame, flow))

@pytest.mark.parametrize('h,w', [(1,9), (9,1), (1,1)])
def test_gradient_is_finite_on_a_side_of_one_pixel(h, w):
    flow = (still(1, h, w)+.3).requires_grad_()
    warp(noise(1,3,h,w), flow).square().sum().backward()
    assert flow.grad.isfinite().all()

def test_gradient_reaches_both_channels_of_the_flow():
    flow = (still()+.3).requires_grad_()
    warp(noise(1,3,6,8), flow).square().sum().backward()
    assert (flow.grad.abs().sum((0,2,3))>0).all()

def test_gradient_points_to_the_better_flow():
    "On a ramp, more x makes every pixel brighter by the slope of the ramp"
    ramp,flow = (2*torch.arange(8.)).expand(1,1,6,8),(still()+.5).requires_grad_()
    warp(ramp, flow).sum().backward()
    assert_close(flow.grad[0,0,:,:-1], torch.full((6,7), 2.), atol=1e-4, rtol=0)
    assert_close(flow.grad[0,1], torch.zeros(6,8), atol=1e-4, rtol=0)

@pytest.mark.parametrize('bad', [float('nan'), float('inf'), -float('inf')])
def test_flow_that_is_no_number_is_seen_and_crashes_nothing(bad):
    "grid_sample reads anywhere in memory for it, and its backward brings Python down before anyone can say that training diverged"
    flow,frame = still(2),noise(2,3,6,8).requires_grad_()
    flow[0,0,2,3] = bad
    flow.requires_grad_()
    moved = warp(frame, flow)
    moved.nansum().backward()
    assert moved[0,:,2,3].isnan().all() and moved.isnan().sum()==3
    assert flow.grad.isfinite().all() and frame.grad.isfinite().all()

def test_flow_can_be_found_by_descent():
    ys,xs = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 32), indexing='ij')
    blob = lambda x,y: torch.exp(-8*((xs-x)**2 + (ys-y)**2))[None,None]
    source,target = blob(0,0),blob(.2,-.1)  # the blob went right and up: backward flow points left and down
    move = torch.zeros(1,2,1,1, requires_grad=True)
    adam = torch.optim.Adam([move], .2)
    for _ in range(80):
        adam.zero_grad()
        (warp(source, move.expand(1,2,24,32))-target).square().sum().backward()
        adam.step()
    assert_close(move.detach().flatten(), torch.tensor([-.2*31/2, .1*23/2]), atol=.15, rtol=0)

# ---- shapes that are refused

@pytest.mark.parametrize('source,flow', [
    ((1,3,6,8),(1,2,8,6)), ((1,3,6,8),(1,3,6,8)), ((1,3,6,8),(1,1,6,8)), ((1,3,6,8),(2,6,8)), ((1,3,6,8),(1,6,8,2)), ((2,3,6,8),(1,2,6,8)),
    ((1,3,6,8),(2,2,6,8)), ((2,6,8),(2,2,6,8)), ((3,6,8),(1,2,6,8)), ((1,3,6,8),(1,2,6,7)), ((1,3,6,8),(1,2,1,1)), ((1,3,6,8),(1,2,6,8,1))])
def test_shapes_that_do_not_fit_are_named(source, flow):
    with pytest.raises(InputError, match='warp: flow') as error: warp(torch.zeros(source), torch.zeros(flow))
    assert str(flow) in str(error.value) and str(source) in str(error.value)

def test_class_numbers_can_not_be_warped():
    with pytest.raises(InputError, match='int64'): warp(torch.zeros(1,1,6,8, dtype=torch.int64), still())

# ---- flow of real frames

@pytest.fixture(scope='module')
def face(real_clips): return read_video(real_clips/'carphone_pristine.mp4', stop=6)

def cut(frames, x, y, h=96, w=128): return frames[...,20+y:20+y+h,20+x:20+x+w]

@pytest.mark.parametrize('dx,dy', [(3,0), (-3,0), (0,3), (0,-3), (4,-2)])
def test_teacher_finds_a_shift_and_its_sign(face, dx, dy):
    "The window moved by (dx,dy), so the target at p is the source at p + (dx,dy)"
    source,target = cut(face.frames[:1], 0, 0),cut(face.frames[:1], dx, dy)
    flow = flow_dis(source, target)
    assert_close(flow.flatten(2).median(2).values[0], torch.tensor([dx,dy]).float(), atol=.15, rtol=0)
    inner = slice(8,-8)
    assert (warp(source, flow)-target)[...,inner,inner].abs().mean()<.25*(source-target)[...,inner,inner].abs().mean()

def soft_noise(seed): # (1,1,64,96) of soft blobs
    return torch.nn.functional.avg_pool2d(noise(1,1,68,100, seed=seed)*2-1, 5, 1)*2

@pytest.mark.parametrize('red,blue', [(3,-3), (-3,3)])
def test_teacher_sees_red_more_than_blue(red, blue):
    "Light is a third red and a ninth blue: where the two move apart, the flow is that of red"
    r,b = soft_noise(0),soft_noise(1)
    picture = lambda dx,dz: torch.cat([r[...,8+dx:88+dx], 0*r[...,:80], b[...,8+dz:88+dz]], 1)
    assert_close(flow_dis(picture(0, 0), picture(red, blue))[0,0].median(), torch.tensor(float(red)), atol=.3, rtol=0)

@pytest.mark.parametrize('seed', [0, 3])
def test_teacher_works_at_full_size(seed):
    "At half size, where OpenCV's own preset stops, it is off by half as much again"
    clip = World(seed=seed, size=(96,128)).clip(9)
    off = (flow_dis(clip.frames[:-1], clip.frames[1:])-clip.flow[1:]).norm(dim=1, keepdim=True)
    assert (off*clip.visible[1:]).sum()/clip.visible[1:].sum()<(.14,.22)[seed>0]

def test_teacher_explains_real_motion(face):
    past,now = face.frames[:-1],face.frames[1:]
    flow = flow_dis(past, now)
    assert flow.shape==(5,2,144,176) and flow.dtype==torch.float32
    assert (warp(past, flow)-now).abs().mean()<.75*(past-now).abs().mean()<(warp(past, -flow)-now).abs().mean()

def test_teacher_remembers_nothing(face):
    "A pair of frames has the same flow wherever it stands in a stack"
    past,now = face.frames[:-1],face.frames[1:]
    together = flow_dis(past, now)
    assert_close(together[3:4], flow_dis(past[3:4], now[3:4]), atol=0, rtol=0)
    assert_close(together.flip(0), flow_dis(past.flip(0), now.flip(0)), atol=0, rtol=0)

def test_teacher_sees_no_motion_in_equal_frames(face):
    assert flow_dis(face.frames[:2], face.frames[:2]).abs().max()<.05

@pytest.mark.parametrize('h,w', [(16,16), (16,40), (33,17), (47,16)])
def test_teacher_takes_small_and_odd_frames(h, w):
    flow = flow_dis(noise(1,3,h,w)*2-1, noise(1,3,h,w)*2-1)
    assert flow.shape==(1,2,h,w) and flow.isfinite().all()

@pytest.mark.parametrize('h,w', [(15,40), (40,15), (1,1)])
def test_teacher_refuses_frames_that_are_too_small(h, w):
    with pytest.raises(InputError, match=f'{w}x{h}'): flow_dis(torch.zeros(1,3,h,w), torch.zeros(1,3,h,w))

# ---- visibility

def moving_square(h=20, w=30, by=4): # a square of 8x8 moves right by `by` in front of what stands still: both flows, and what it uncovers
    back,ahead,seen = still(1,h,w),still(1,h,w),torch.ones(1,1,h,w)
    back[:,0,6:14,10+by:18+by],ahead[:,0,6:14,10:18] = -by,by
    seen[...,6:14,10:10+by] = 0
    return back,ahead,seen

@pytest.mark.parametrize('by', [2, 4, 7])
def test_what_a_square_uncovers_was_hidden(by):
    back,ahead,seen = moving_square(by=by)
    assert_close(visible(back, ahead), seen)

@pytest.mark.parametrize('x,y', [(3,0), (-3,0), (0,2), (0,-2), (4,-3)])
def test_what_came_from_off_the_picture_was_not_seen(x, y):
    seen = visible(constant(x,y,1,12,16), constant(-x,-y,1,12,16))[0,0]
    grid = pixel_grid(12, 16)
    want = (grid[0]+x>=0)&(grid[0]+x<=15)&(grid[1]+y>=0)&(grid[1]+y<=11)
    assert_close(seen, want.float())

def test_all_is_visible_where_nothing_moves():
    assert visible(still(2), still(2)).tolist()==torch.ones(2,1,6,8).tolist()

@pytest.mark.parametrize('gap,seen', [(.70,1), (.72,0)])
def test_small_disagreement_is_forgiven(gap, seen):
    "Half a squared pixel: a length of .707"
    assert (visible(still(), constant(gap,0))==seen).all()

def test_fast_motion_is_forgiven_more():
    back,ahead = constant(-10,0,1,6,40),constant(10.9,0,1,6,40)
    assert visible(back, ahead)[...,10:].all() and not visible(back, ahead+.8)[...,10:].any()

@pytest.mark.parametrize('way', [1, -1])
def test_both_flows_count_for_what_is_forgiven(way):
    "A hundredth of both squared lengths, and a half: ten pixels there and 11.6 back are one motion, and 11.8 back is another"
    there,back,too_far = (constant(way*x, 0, 1, 6, 60) for x in (10, -11.6, -11.8))
    inner = np.s_[...,13:-13]
    assert visible(there, back)[inner].all() and visible(back, there)[inner].all() and not visible(there, too_far)[inner].any()

@pytest.mark.parametrize('x,y', [(1,0), (-1,0), (0,1), (0,-1)])
def test_a_pixel_is_a_pixel_wide(x, y):
    "Whose middle is less than half a pixel off the picture is still on it"
    for share,lost in ((.4,0), (.6,1)):
        seen = visible(constant(share*x, share*y), constant(-share*x, -share*y))[0,0]
        assert (seen==0).sum()==lost*(6 if x else 8)

def test_flows_of_a_clip_start_with_nothing(face):
    flow,seen = flows_dis(face.frames)
    assert flow.shape==(6,2,144,176) and seen.shape==(6,1,144,176)
    assert not flow[0].any() and not seen[0].any() and .7<seen[1:].mean()<1
    assert_close(flow[1:], flow_dis(face.frames[:-1], face.frames[1:]), atol=0, rtol=0)
    assert_close(seen[1:], visible(flow[1:], flow_dis(face.frames[1:], face.frames[:-1])), atol=0, rtol=0)

def test_visible_pixels_are_explained_better(face):
    "Where the two flows disagree, the warped past is wrong more often"
    flow,seen = flows_dis(face.frames)
    gap = (warp(face.frames[:-1], flow[1:])-face.frames[1:]).abs().mean(1, keepdim=True)
    assert (gap*seen[1:]).sum()/seen[1:].sum()<.7*(gap*(1-seen[1:])).sum()/(1-seen[1:]).sum()

def test_one_frame_has_no_motion():
    with pytest.raises(InputError, match='1 frame'): flows_dis(torch.zeros(1,3,32,32))

# ---- what the lesson claims

def test_true_flows_of_a_world_tell_what_was_hidden():
    "There and back by exact flows, four frames apart, against the order of the layers"
    world = World(seed=3, size=(96,128))
    clip = world.clip(9)
    def truth(now, then): # flow, and where a nearer layer or nothing at all was at the source
        move = np.stack([b @ np.linalg.inv(a) for a,b in zip(world.poses(now), world.poses(then))])
        place = np.stack([*np.mgrid[:96,:128][::-1], np.ones((96,128))], -1)[...,None]
        source = torch.from_numpy((move[clip.ids[now,0].numpy()] @ place)[...,:2,0]).movedim(-1, 0).float()
        x,y = source.round().long()
        off = (x<0)|(x>127)|(y<0)|(y>95)
        return (source - pixel_grid(96, 128))[None], off|(clip.ids[then,0][y.clamp(0, 95), x.clamp(0, 127)]>clip.ids[now,0])
    back,hidden = truth(8, 4)
    found = visible(back, truth(4, 8)[0])[0,0]==0
    assert_close(truth(8, 7)[0][0], clip.flow[8], atol=1e-4, rtol=0)
    assert hidden.float().mean()>.04 and (found&hidden).sum()>.9*hidden.sum() and (found&hidden).sum()>.75*found.sum()

@pytest.mark.parametrize('warps', [1, 4, 16])
@pytest.mark.parametrize('length', [4, 8, 16])
def test_half_pixel_warps_blur_by_the_cosine(length, warps):
    stripes = torch.sin(2*torch.pi*torch.arange(288.)/length + .7).expand(1,1,2,288)
    moved = stripes
    for k in range(warps): moved = warp(moved, constant(.5 if k%2 else -.5, 0, 1, 2, 288))
    assert_close((moved[...,48:240].std()/stripes[...,48:240].std()).item(), np.cos(np.pi/length)**warps, atol=.01, rtol=0)

@pytest.mark.parametrize('new,old', [((2,-1),(-3,2)), ((3,0),(1,1)), ((-2,0),(4,-2))])
def test_two_steps_back_are_one_composed_step(new, old):
    "new + warp(old, new), where the older flow differs from place to place"
    frame,first,second = noise(1,3,20,24),constant(*new,1,20,24),constant(*old,1,20,24)
    second[...,:12] = 0
    both = first + warp(second, first)
    assert_close(warp(frame, both)[...,5:-5,6:-6], warp(warp(frame, second), first)[...,5:-5,6:-6], atol=1e-5, rtol=0)
    assert not torch.equal(both, first+second)

@pytest.mark.parametrize('there', [True, False])
def test_lesson_plays_with_and_without_sliders(there, monkeypatch, capsys):
    "The cell with the slider, as it stands on the page"
    cell = next(c['source'] for c in code_cells(read_page(ROOT/'nbs'/'02_motion'/'01_warp.ipynb')) if 'ipywidgets' in c['source'])
    if not there: monkeypatch.setitem(sys.modules, 'ipywidgets', None)
    shown,strips = [],[]
    space = dict(then=noise(1,3,128,128)*2-1, back=constant(3,1,1,128,128), warp=warp, cv2=cv2, torch=torch, to_uint8=to_uint8, display=shown.append,
                 show_strip=lambda frames, **how: strips.append(frames))
    exec(cell, space)
    assert len(strips)==1 and len(shown)==there and ('ipywidgets is missing' in capsys.readouterr().out) is not there
    if there:
        was = space['screen'].value
        space['slider'].value = 2.
        assert space['screen'].value!=was
