"A translator that keeps the size and sees the whole drawing, a critic that judges patches, and losses whose two sides are not exchanged"
from copy import deepcopy
import pytest, torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close
from v2v_tutorial.clips.clip import InputError
from v2v_tutorial.images.translator import PatchCritic, ResBlock, Translator, UNet, feature_matching, lsgan_critic, lsgan_generator

def translator(labels=1, width=16):
    torch.manual_seed(0)
    return Translator(labels, width)

def woken(net): # a net whose residual blocks do something
    for block in net.modules():
        if isinstance(block, ResBlock): nn.init.normal_(block.b.weight, std=.05)
    return net

def critic(channels=3, **kw):
    torch.manual_seed(0)
    return PatchCritic(channels, width=8, **kw)

def noise(*shape): return torch.randn(shape, generator=torch.Generator().manual_seed(0))

def span(net, x): # how many pixels, across, have a gradient into the middle of the output; weights alike and no norm, so that nothing cancels
    net = deepcopy(net).double()
    for part in net.modules():
        for name,child in part.named_children():
            if isinstance(child, nn.GroupNorm): setattr(part, name, nn.Identity())
    for p in net.parameters(): p.data.fill_(.1/p[0].numel())
    x = x.double().requires_grad_()
    out = net(x)
    out = out[-1] if isinstance(out, list) else out
    out[..., out.shape[-2]//2, out.shape[-1]//2].sum().backward()
    return int((x.grad[0].abs().sum(0)>0).any(0).sum())

# ---- the translator

@pytest.mark.parametrize('h,w', [(64,64), (16,16), (45,51), (7,130), (17,16), (1,1)])
@pytest.mark.parametrize('labels', [1,4])
def test_any_size_in_is_the_size_out(h, w, labels):
    made = translator(labels)(noise(2,labels,h,w))
    assert made.shape==(2,3,h,w) and made.abs().max()<=1

@pytest.mark.parametrize('h,w', [(33,47), (5,20), (16,31)])
def test_odd_pictures_are_worked_on_as_if_their_border_went_on(h, w):
    "Padding on the right and below, cut off again at the same place: nothing shifts"
    net, x = woken(translator()), noise(1,1,h,w)
    whole = x[..., torch.arange(h + -h%16).clamp(max=h-1), :][..., torch.arange(w + -w%16).clamp(max=w-1)]
    assert_close(net(x), net(whole)[...,:h,:w])

@pytest.mark.parametrize('width', [0, 8, 24, -16])
def test_a_width_that_cannot_be_is_refused(width):
    with pytest.raises(InputError, match=f'width={width}'): Translator(1, width)

@pytest.mark.parametrize('channels,width', [(1,16), (8,32)])
def test_features_are_half_as_large(channels, width):
    assert UNet(channels, width)(noise(2,channels,32,48)).shape==(2,width//2,16,24)

def test_names_of_the_weights_stay():
    "Stored generators hold them"
    names = {n.rsplit('.', 1)[0] for n in UNet(1, 16).state_dict()}
    blocks = [f'{b}.{part}' for b in ('down.0.1','down.1.1','down.2.1','mid.0','mid.1','mend.1','mend.2') for part in ('norm','a','b')]
    assert names=={'inp', *(f'down.{i}.0' for i in range(3)), *(f'up.{i}' for i in range(3)), 'mend.0.0', *blocks}
    assert {n.split('.')[0] for n in translator().state_dict()}=={'body','paint'}

def test_a_new_block_adds_only_its_bias():
    block, x = ResBlock(16), noise(2,16,5,6)
    assert_close(block(x), x + block.b.bias.view(-1,1,1))

def test_a_block_is_the_input_and_what_its_branch_found():
    block, x = woken(nn.Sequential(ResBlock(16)))[0], noise(2,16,5,6)
    assert_close(block(x) - x, block.b(F.relu(block.a(F.relu(block.norm(x))))))

def test_the_whole_drawing_reaches_the_middle():
    assert 256<span(translator(), torch.ones(1,1,32,512))<512

def test_every_level_hands_its_features_across():
    "With the way down cut below it, what a level saw still reaches the picture, by its skip"
    for level in range(3):
        net, x = translator(), noise(1,1,64,64)
        still = net.body.down[level].register_forward_hook(lambda _,__,out: torch.zeros_like(out))
        quiet = net(x)
        part = net.body.inp if level==0 else net.body.down[level-1]
        part.register_forward_hook(lambda _,__,out: out + noise(*out.shape))
        assert not torch.allclose(net(x), quiet), level
        still.remove()

def test_samples_of_a_batch_do_not_meet():
    net, x = woken(translator()), noise(3,1,32,32)
    assert_close(net(x)[1:2], net(x[1:2]), atol=1e-5, rtol=1e-4)

def test_gradient_reaches_every_weight_of_the_translator():
    net = woken(translator())
    F.l1_loss(net(noise(2,1,33,40)), noise(2,3,33,40)).backward()
    assert not [name for name,p in net.named_parameters() if p.grad is None or not p.grad.any()]

def test_training_lowers_the_loss():
    net, x = translator(), (noise(4,1,32,32)>1).float()
    wanted = torch.cat([x, 1-x, x.roll(1, -1)], 1)*1.6 - .8
    opt, losses = torch.optim.Adam(net.parameters(), 5e-3), []
    for _ in range(40):
        loss = F.l1_loss(net(x), wanted)
        opt.zero_grad(); loss.backward(); opt.step()
        losses.append(loss.item())
    assert losses[-1]<losses[0]/2

def test_four_neighbours_come_from_one_place():
    "Unfolding: channel 4c+2i+j of the painting head is row i, column j of colour c"
    net = translator()
    with torch.no_grad():
        net.paint.weight.zero_()
        net.paint.bias.copy_(torch.linspace(-1, 1, 12))
    made = net(torch.zeros(1,1,4,6))
    assert_close(made[0,:,2:4,4:6], torch.tanh(torch.linspace(-1, 1, 12)).view(3,2,2))

# ---- the critic

@pytest.mark.parametrize('h,w', [(32,32), (32,48), (17,31), (8,8)])
@pytest.mark.parametrize('strided', [1,2,3])
def test_every_patch_gets_one_number(h, w, strided):
    seen = critic(5, strided=strided)(noise(2,5,h,w))
    assert len(seen)==strided+2 and seen[-1].shape[:2]==(2,1)
    for side,n in ((-2,h),(-1,w)):
        for _ in range(strided): n = n//2 + 1
        assert seen[-1].shape[side]==n+2  # two more layers at stride 1

def test_features_come_layer_by_layer():
    "Strided layers halve the picture, each layer doubles the channels, and two layers at stride 1 follow"
    seen = critic()(noise(1,3,32,32))
    assert [f.shape[1] for f in seen]==[8,16,32,1] and [f.shape[-1] for f in seen]==[17,9,10,11]

def test_verdict_has_no_floor_and_no_ceiling():
    "Least squares needs a linear last layer: a sigmoid or a ReLU would hide what is far from right"
    net = critic()
    with torch.no_grad():
        net.layers[-1].bias.fill_(7)
        assert net(noise(1,3,32,32))[-1].mean()>5
        net.layers[-1].bias.fill_(-7)
        assert net(noise(1,3,32,32))[-1].mean()<-5

def test_samples_are_judged_on_their_own():
    "No statistics over the batch: generated and real frames may share one"
    net,x = critic(),noise(4,3,32,32)
    assert_close(net(x)[-1][2:3], net(x[2:3])[-1], atol=1e-5, rtol=1e-4)

def test_judging_changes_nothing():
    net,x = critic(),noise(2,3,32,32)
    first,state = net(x)[-1],{k: v.clone() for k,v in net.state_dict().items()}
    net(noise(5,3,16,16)*10)
    assert_close(net(x)[-1], first, atol=0, rtol=0)
    for k,v in net.state_dict().items(): assert_close(v, state[k], atol=0, rtol=0)

def test_layers_are_leaky_and_all_but_the_first_are_normed():
    "With a slope of .2 undone, what a norm made has mean 0 and variance 1 over the whole sample"
    seen = critic()(noise(2,3,32,32)*3 + 1)
    for k,f in enumerate(seen[:-1]):
        flat = torch.where(f<0, f/.2, f).flatten(1)
        assert (f<0).any() and (((flat.mean(1).abs()<1e-3) & ((flat.std(1)-1).abs()<.01)).all()==(k>0)), k

def test_patch_sees_only_its_neighbourhood():
    "With the norms out of the way, a change in one corner doesn't reach the verdict on the opposite one"
    net = critic()
    for layer in net.layers[1:-1]: layer[1] = torch.nn.Identity()
    x = noise(1,3,64,64)
    changed = x.clone()
    changed[...,:8,:8] += 3
    gap = (net(x)[-1]-net(changed)[-1]).abs()[0,0]
    assert gap[0,0]>0 and gap[-4:,-4:].max()==0

@pytest.mark.parametrize('strided,width', [(1,16), (2,34), (3,70)])
def test_receptive_field_is_that_of_the_formula(strided, width):
    strides = [2]*strided + [1,1]
    assert span(critic(4, strided=strided), torch.ones(1,4,128,128))==width==1 + 3*sum(2**min(i, strided) for i in range(len(strides)))

def test_critic_learns_sharp_from_blurred():
    net, rng = critic(), torch.Generator().manual_seed(0)
    opt, losses = torch.optim.Adam(net.parameters(), 2e-3, betas=(.5,.99)), []
    for _ in range(40):
        sharp = torch.rand(4,3,32,32, generator=rng)*2 - 1
        loss = lsgan_critic(net(F.avg_pool2d(sharp, 3, 1, 1))[-1], net(sharp)[-1])
        opt.zero_grad(); loss.backward(); opt.step()
        losses.append(loss.item())
    sharp = torch.rand(8,3,32,32, generator=rng)*2 - 1
    assert losses[-1]<losses[0]/2 and net(sharp)[-1].mean()>net(F.avg_pool2d(sharp, 3, 1, 1))[-1].mean() + .5

def test_every_weight_learns():
    net = critic()
    lsgan_critic(net(noise(1,3,32,32))[-1], net(noise(1,3,32,32)+1)[-1]).backward()
    for name,p in net.named_parameters(): assert p.grad is not None and p.grad.abs().sum()>0, name

# ---- least squares

@pytest.mark.parametrize('fake,real,loss', [(0,1,0), (1,0,1), (1,1,.5), (0,0,.5), (.5,.5,.25), (-1,2,1), (0,3,2), (3,1,4.5)])
def test_loss_of_the_critic(fake, real, loss):
    "Half of fake² + (real-1)²"
    made,true = torch.full((2,1,3,4), float(fake)),torch.full((2,1,3,4), float(real))
    assert lsgan_critic(made, true).item()==pytest.approx(loss)

@pytest.mark.parametrize('fake,loss', [(1,0), (0,1), (2,1), (-1,4), (.5,.25)])
def test_loss_of_the_generator(fake, loss): assert lsgan_generator(torch.full((2,1,3,4), float(fake))).item()==pytest.approx(loss)

def test_best_verdict_is_the_share_of_real_ones():
    "p/(p+q), where the gradient of the critic's loss is zero; it pays a quarter where it can't tell"
    verdict = torch.tensor(.75, requires_grad=True)  # three real patches and one painted among four that look alike
    loss = 3*lsgan_critic(torch.zeros(1), verdict[None]) + lsgan_critic(verdict[None], torch.ones(1))
    loss.backward()
    assert verdict.grad.abs()<1e-6
    half = torch.full((1,1,4,4), .5)
    assert lsgan_critic(half, half).item()==.25

def test_critic_pushes_real_up_and_generated_down():
    fake,real = torch.full((1,1,2,2), .5, requires_grad=True),torch.full((1,1,2,2), .5, requires_grad=True)
    lsgan_critic(fake, real).backward()
    assert (fake.grad>0).all() and (real.grad<0).all()  # descent goes against the gradient

def test_generator_pushes_generated_up():
    fake = torch.full((1,1,2,2), .5, requires_grad=True)
    lsgan_generator(fake).backward()
    assert (fake.grad<0).all()

# ---- feature matching

def features(fill): return [torch.full((1,4,8,8), float(f)) for f in fill[:-1]] + [torch.full((1,1,4,4), float(fill[-1]))]

def test_equal_features_cost_nothing(): assert feature_matching(features([1,2,3,4]), features([1,2,3,4]))==0

@pytest.mark.parametrize('made,loss', [([1,0,0,0],1/3), ([0,0,-3,0],1), ([1,2,3,0],2), ([0,0,0,9],0)])
def test_mean_distance_of_the_layers_without_the_verdict(made, loss):
    assert float(feature_matching(features(made), features([0,0,0,0])))==pytest.approx(loss)

def test_nothing_flows_into_the_real_side():
    fake,real = ([f.requires_grad_() for f in features(v)] for v in ([1,2,3,4],[0,0,0,0]))
    feature_matching(fake, real).backward()
    assert all(f.grad is not None and f.grad.abs().sum()>0 for f in fake[:-1]) and all(r.grad is None for r in real)

def test_matching_teaches_the_picture():
    "The gradient goes through the critic into what was made"
    net,made,true = critic(),noise(1,3,32,32).requires_grad_(),noise(1,3,32,32)+1
    feature_matching(net(made), net(true)).backward()
    assert made.grad.abs().sum()>0

def test_matching_is_near_zero_only_for_the_same_picture():
    net,x = critic(),noise(1,3,32,32)
    near,far = feature_matching(net(x+.01), net(x)),feature_matching(net(x+.5*noise(1,3,32,32).flip(-1)), net(x))
    assert 0<near<far/5
