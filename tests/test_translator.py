"A critic that judges patches, and losses whose two sides are not exchanged"
import pytest, torch
from torch.testing import assert_close
from v2v_tutorial.images.translator import PatchCritic, feature_matching, lsgan_critic, lsgan_generator

def critic(channels=3, **kw):
    torch.manual_seed(0)
    return PatchCritic(channels, width=8, **kw)

def noise(*shape): return torch.randn(shape, generator=torch.Generator().manual_seed(0))

# ---- the network

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

def test_patch_sees_only_its_neighbourhood():
    "With the norms out of the way, a change in one corner doesn't reach the verdict on the opposite one"
    net = critic()
    for layer in net.layers[1:-1]: layer[1] = torch.nn.Identity()
    x = noise(1,3,64,64)
    changed = x.clone()
    changed[...,:8,:8] += 3
    gap = (net(x)[-1]-net(changed)[-1]).abs()[0,0]
    assert gap[0,0]>0 and gap[-4:,-4:].max()==0

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
