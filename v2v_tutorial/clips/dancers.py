"""Dancers of their own proportions, hair and clothes, no two alike: rings for their bodies, and paint for what they wear"""
from dataclasses import fields

import cv2
import numpy as np

from .moves import JOINTS, Build, Choreography, joints, swing
from .tubes import Ring, Tubes
from .world import _mix, _noise, _rgb, _smooth

PARTS = ('none', 'torso', 'head', 'hair', 'skirt', 'right upper arm', 'right forearm', 'right hand', 'right thigh', 'right shin', 'right foot',
         'left upper arm', 'left forearm', 'left hand', 'left thigh', 'left shin', 'left foot')

# ---- who

_CHOICES = dict(
    skin='f6d5be eebf9c dba57c c08457 a0673e 8a5636 6b432b'.split(),
    hair='1d1714 3b2417 6e4426 a5713a d8b26a b5482a 8d8d94 5a3a63'.split(),
    style='short bob long bun tail curly cap'.split(),
    sleeves=(0., .56, 1.77),      # they end there along the arm: 1 is the elbow, 2 the wrist
    print='plain hoops stripes dots checks sash star heart ring'.split(),
    top='d8402f:fbeed0 1f6f8b:fdf3dc f4b82e:b8324a 5a4a9c:f7e6ee 2f8f6b:f2c14e f4efe4:d8402f f2a6b4:7a2f57 27364f:9fd0e0 e8743b:27364f 9fc3a5:35524a f7f2e8:1f6f8b 3a3a42:f4b82e'.split(),
    bottom='trousers shorts skirt wide'.split(),
    cloth='27364f 3a3a42 7b5b3e 4b6b8f 8e2f3f 55624a c8b48a 6a4c7d d9d4c8 2f6f6a'.split(),
    shoes='f4f1ea 23232a c23b33 3f6fb0 e0b23c'.split(),
    mark='sleeve half leg glove socks band'.split())  # what differs between left and right
_BASES = [len(v) for v in _CHOICES.values()]
PEOPLE = int(np.prod(_BASES))     # as many as there are combinations

def _digits(n, bases): # of a mixed-radix number, the lowest first
    out = []
    for b in bases:
        n, d = divmod(n, b)
        out.append(int(d))
    return out

def _number(digits, bases): # and back
    n = 0
    for d,b in zip(digits[::-1], bases[::-1]): n = n*b + d
    return n

def attributes(who:int)->dict: # attribute -> choice
    "What a person looks like: the digits of a permuted number, so that no two people below PEOPLE have all choices in common"
    step = 1_386_981_913      # no factor in common with PEOPLE, whose factors are 2, 3, 5 and 7: multiplying by it only permutes
    n = _number(_digits((who*step+1) % PEOPLE, _BASES)[::-1], _BASES[::-1])   # slow digits to the front
    return {key: values[d] for (key, values),d in zip(_CHOICES.items(), _digits((n*step+2) % PEOPLE, _BASES))}

def proportions(who:int): # Build, and factors of girth, head, hips and waist
    "How tall and how wide a person is, and how the height is shared out"
    rng = np.random.default_rng([who, 11])
    u = rng.uniform
    tall, legs, arms, wide = u(.92, 1.06), u(.95, 1.06), u(.94, 1.06), u(.9, 1.12)
    own = dict(thigh=legs*u(.97, 1.03), shin=legs, hip=wide*u(.95, 1.1), waist=u(.93, 1.07), chest=u(.95, 1.06), neck=u(.97, 1.05),
               shoulder=wide, upper_arm=arms, forearm=arms*u(.97, 1.05))
    build = Build(**{f.name: f.default*tall*own.get(f.name, 1) for f in fields(Build)})
    return build, dict(girth=tall*u(.88, 1.22), head=u(1.02, 1.18), hips=u(.94, 1.12), waist=u(.9, 1.1))

# ---- rings

BONES = ['pelvis', 'chest', 'head'] + [f'{s} {b}' for s in 'rl' for b in ('upper', 'fore', 'thigh', 'shin', 'foot')]
_J, _B = ({name: k for k,name in enumerate(names)} for names in ([*JOINTS, 'knees'], BONES))   # 'knees': the point between them

def frames(pose, at): # (13,3,3) of BONES: columns left, up (against a limb's direction) and front
    "The frame of each bone, turned from that of the bone before by the smallest rotation"
    out, c = [pose.pelvis, pose.chest, pose.head], pose.chest
    def towards(k): return (at[k+1]-at[k])/np.linalg.norm(at[k+1]-at[k])
    for s,sign in (('r', -1), ('l', 1)):
        arm, leg = _J[f'{s}shoulder'], _J[f'{s}hip']
        aside = np.stack([sign*c[:,1], -sign*c[:,0], c[:,2]], 1)   # the frame of an arm held out sideways
        upper = swing(sign*c[:,0], towards(arm)) @ aside
        thigh = swing(-pose.pelvis[:,1], towards(leg)) @ pose.pelvis
        shin = swing(towards(leg), towards(leg+1)) @ thigh
        out += [upper, swing(towards(arm), towards(arm+1)) @ upper, thigh, shin, swing(towards(leg+1), towards(leg+2)) @ shin]
    return np.stack(out)

def _near(f, joint): return .5 + .5*min(1., abs(f-joint)/.12)   # weight of a bone's own frame: half at the joint, all a little away

def _limb(a, b, bone, before, after, part, rows, start=0., k=1.): # rings along a bone: (share, half width, half depth, front)
    def ring(f, wide, deep, front=0.):
        other, mine = (before, _near(f, 0)) if f<.5 else (after, _near(f, 1))
        return Ring(_J[a], _B[bone], wide*k, deep*k, (0, 0, front*k), _J[b], f, _B[other], mine, start+f, PARTS.index(part))
    return [ring(*row) for row in rows]

def _arm(s, side, g, sleeve):
    cloth = lambda at: .0055 if at<sleeve else 0.
    half = [(.54,.034), (.57,.0335)] if sleeve<1 else [(.6,.0335)]      # where a short sleeve ends there are two rings, for its edge
    upper = [(f, r+cloth(f), r+cloth(f)) for f,r in [(-.13,.02), (-.05,.032), (.08,.0385), (.3,.036), *half, (.88,.03), (1,.0295)]]
    full = [(.75,.0215), (.785,.021)] if sleeve>1 else [(.75,.0215)]
    fore = [(f, r+cloth(1+f), r+cloth(1+f)) for f,r in [(.12,.0295), (.3,.029), (.5,.026), *full, (.95,.0175)]]
    hand = [(1.0,.017,.015), (1.12,.023,.014), (1.32,.021,.012), (1.48,.002,.002)]
    names, k = [f'{s} upper', f'{s} fore'], g['girth']**.8
    return _limb(f'{s}shoulder', f'{s}elbow', names[0], names[0], names[1], f'{side} upper arm', upper, 0, k) \
        + _limb(f'{s}elbow', f'{s}wrist', names[1], names[0], names[1], f'{side} forearm', fore, 1, k) \
        + _limb(f'{s}elbow', f'{s}wrist', names[1], names[1], names[1], f'{side} hand', hand, 1, k)

_ENDS = dict(trousers=1.9, wide=1.93, shorts=.78, skirt=0.)   # of the legs' clothes: 1 is the knee, 2 the ankle

def _leg(s, side, g, bottom):
    def row(at, wide, deep, front=0.):
        cloth = 0. if at>_ENDS[bottom] else dict(trousers=.005, wide=.004+.022*float(_smooth(.5, 1.9, at)), shorts=.012, skirt=0)[bottom]
        return at-(at>1.01), wide+cloth, deep+cloth, front
    upper = [(-.13,.04,.045), (0,.058,.064), (.12,.06,.068), (.35,.056,.062), (.6,.049,.053), *[(.77,.045,.047), (.79,.0445,.046)]*(bottom=='shorts'),
             (.88,.043,.044), (1,.0415,.042)][3 if bottom=='skirt' else 0:]                   # what a skirt hides isn't there
    lower = [(1.12,.041,.042), (1.3,.041,.046,-.007), (1.5,.037,.041,-.007), (1.72,.029,.032,-.003), (1.895,.024,.026), (1.94,.0235,.025), (2.04,.023,.026)]
    foot = [(-.36,.004,.012,-.004), (-.32,.02,.026,-.006), (-.1,.028,.042), (.25,.03,.039), (.65,.035,.026), (1.05,.03,.017), (1.2,.003,.003)]
    names, k = [f'{s} thigh', f'{s} shin', f'{s} foot'], g['girth']
    return [_limb(f'{s}hip', f'{s}knee', names[0], 'pelvis', names[1], f'{side} thigh', [row(*r) for r in upper], 0, k)
            + _limb(f'{s}knee', f'{s}ankle', names[1], names[0], names[1], f'{side} shin', [row(*r) for r in lower], 1, k),
            _limb(f'{s}ankle', f'{s}toe', names[2], names[2], names[2], f'{side} foot', foot, 2, k**.5)]

def _stack(joint, bone, part, rows, other=None, mine=1., k=1., start=0.): # rings one above the other: (height, half width, half depth, front)
    return [Ring(_J[joint], _B[bone], wide*k, deep*k, (0, y*k, front*k), other=_B[other or bone], mine=mine, at=start+y, part=PARTS.index(part))
            for y,wide,deep,front in rows]

def _torso(build, g):
    hips, waist, k, wide = g['hips']*g['girth'], g['waist']*g['girth'], g['girth'], build.shoulder/.105
    low = [(-.064,.025*k,.03*k,0), (-.045,.075*hips,.054*k,0), (0,.097*hips,.07*k,0), (.055,.088*hips,.062*k,0)]
    mid = [(.1-build.waist,.076*waist,.054*k,0), (.03,.079*waist,.057*k,0)]
    top = [(.08,.09*wide,.064*k,0), (.12,.098*wide,.062*k,0), (.152,.098*wide,.05*k**.5,0), (.174,.082*wide,.04,0), (.19,.04,.034,0)]
    return _stack('hips', 'pelvis', 'torso', low, 'chest', .9) + _stack('chest', 'chest', 'torso', mid, 'pelvis', .6, start=build.waist) \
        + _stack('chest', 'chest', 'torso', [(y*build.chest/.175, *row) for y,*row in top], start=build.waist)

def _head(g):
    neck = [(-.025,.042,.04,0), (0,.034,.036,.002), (.03,.032,.034,.004), (.055,.031,.033,.008)]
    skull = [(-.074,.012,.018,.022), (-.068,.03,.036,.017), (-.054,.041,.051,.01), (-.03,.05,.06,.004), (-.005,.054,.066,0), (.02,.056,.069,-.002),
             (.042,.051,.063,-.004), (.06,.037,.047,-.005), (.07,.018,.024,-.005), (.073,.001,.001,-.005)]
    return [_stack('neck', 'chest', 'head', neck, 'head', .5, start=-.3), _stack('head', 'head', 'head', skull, k=g['head'])]

_HAIR = dict(short=(-.012,.005), bob=(-.075,.011), long=(-.08,.008), bun=(-.03,.005), tail=(-.03,.005), curly=(-.05,.021), cap=(.01,.006)) # it ends there, and is so thick
_HANGING = dict( # rings below or behind the head: height, half width, half depth, front
    tail=[(-.125,.004,.003,-.082), (-.09,.016,.013,-.088), (-.04,.022,.017,-.096), (0,.024,.019,-.097), (.03,.022,.017,-.088), (.045,.012,.01,-.07)],
    long=[(-.2,.02,.008,-.05), (-.19,.05,.018,-.05), (-.14,.064,.026,-.05), (-.08,.066,.036,-.04), (-.02,.06,.04,-.03), (.02,.04,.02,-.03)],
    bun=[(.075-.034*np.cos(a), .034*np.sin(a)+.0005, .034*np.sin(a)+.0005, -.05) for a in np.linspace(0, np.pi, 6)],
    cap=[(.018,.05,.05,.035), (.021,.053,.066,.05), (.024,.05,.05,.035)])   # the peak

def _hair(g, style):
    low, fat = _HAIR[style]
    shell = [(y + fat/2*(y>0), *(max(r*np.sqrt(max(0, 1-(max(y-.005, 0)/.0765)**2)), .001)*(.93 if n==0 else 1) for r in (.057+fat, .069+fat)), -.008)
             for n,y in enumerate([*np.linspace(low, .05, 5), .066, .076, .0815])]
    hanging = [_stack('head', 'head', 'hair', _HANGING[style], 'chest' if style in ('tail', 'long') else None, .75, g['head'], -1)] if style in _HANGING else []
    return [_stack('head', 'head', 'hair', shell, k=g['head']), *hanging]

def _skirt(g): # rings on the way from the hips to the point between the knees
    k, rows = g['girth'], [(0,.085,.079,.057), (0,.05,.095,.068), (.1,0,.107,.08), (.35,0,.115,.09), (.6,0,.125,.1), (.84,0,.138,.112), (.86,0,.137,.111)]
    return [Ring(0, 0, wide*k*g['hips'], deep*k, (0, y, 0), _J['knees'], share, at=share-y, part=PARTS.index('skirt')) for share,y,wide,deep in rows]

_STAND = Choreography.rest()

class Figure:
    "A person: proportions, rings and what they wear; `place` strings the rings on a pose"
    def __init__(self, who:int):
        self.who, self.wears = who, attributes(who)
        self.build, g = proportions(who)
        w = self.wears
        arms = {side: _arm(side[0], side, g, 1.77 if side=='left' and w['mark']=='sleeve' else w['sleeves']) for side in ('right', 'left')}
        tubes = dict(torso=[_torso(self.build, g)], neck=_head(g)[:1], skull=_head(g)[1:], hair=_hair(g, w['style']), arm=list(arms.values()),
                     leg=[leg for side in ('right', 'left') for leg in _leg(side[0], side, g, w['bottom'])], skirt=[_skirt(g)]*(w['bottom']=='skirt'))
        self.names = [name for name,rows in tubes.items() for _ in rows]
        self.tubes = Tubes([tube for rows in tubes.values() for tube in rows], *self.hang(_STAND))
        self.head = g['head']
        self._carve(g['head'])
        self.deeper = self._deeper(.09 if w['bottom']=='skirt' else .035)
        self.apart = np.where(self.tubes.to==_J['knees'], self.tubes.share, 0.)

    def _deeper(self, thighs): # (R*13,) in heights: what lies under cloth or hair is drawn as if it were so much farther away
        t, hidden = self.tubes, np.zeros(len(self.tubes.at))
        hidden[np.isin(t.part, [PARTS.index('right thigh'), PARTS.index('left thigh')])] = thighs
        crown = t.spans[self.names.index('skull')]
        hidden[crown] = .03*(t.at[crown]>.05)
        return np.repeat(hidden, len(t.circle))

    def _carve(self, z): # a nose and a chin; the hair is open before the face
        t, facing = self.tubes, np.clip(self.tubes.circle[:,1], 0, 1)
        for name,span in zip(self.names, t.spans):
            if name=='skull': t.bulge[span] += z*np.interp(t.at[span], [-.05, -.028, -.005, .02], [0, .012, .009, 0])[:,None]*(facing>.99)
        shell = t.spans[self.names.index('hair')]
        t.bulge[shell] -= z*.05*np.clip((.046-t.at[shell])/.012, 0, 1)[:,None]*_smooth(.1, .6, facing)

    def hang(self, pose): # joints (19,3) with the point between the knees, and frames
        at = joints(pose, self.build)
        return np.vstack([at, (at[_J['rknee']]+at[_J['lknee']])/2]), frames(pose, at)

    def place(self, pose): # -> what Tubes.corners wants; a skirt is as wide as the knees are apart
        at, frames_ = self.hang(pose)
        spread = np.abs((at[_J['lknee']]-at[_J['rknee']]) @ frames_[0][:,[0,2]])/2 - [self.build.hip, 0]
        return at, frames_, self.tubes.radii + self.apart[:,None]*np.maximum(spread, 0)

# ---- paint

def _spot(x, y, wide, high, soft=.25): # 1 inside an ellipse of these half axes
    return _smooth(1+soft, 1-soft, np.hypot(x/wide, y/high))

def _print(kind, x, y, turn): # where a print shows its second colour; x and y in heights, (0,0) on the breast
    if kind=='hoops': return _smooth(-.15, .15, np.sin(y*2*np.pi/.052))
    if kind=='stripes': return _smooth(-.15, .15, np.sin(x*2*np.pi/.05))
    if kind=='dots': return _spot((x/.045+.5*np.floor(y/.04)%1)%1-.5, (y/.04)%1-.5, .3, .3)
    if kind=='checks': return .5*_smooth(-.2, .2, np.sin(x*2*np.pi/.07))+.5*_smooth(-.2, .2, np.sin(y*2*np.pi/.07))
    if kind=='sash': return _smooth(.028, .022, np.abs(x*.8+y-.01))*(np.abs(x)<.14)
    r, a = np.hypot(x, y)/.045, np.arctan2(x, y)
    if kind=='star': return _smooth(.06, -.06, r*(1+.38*np.cos(5*a))-.78)
    if kind=='heart': return _smooth(.1, -.1, (x/.036)**2+(1.15*y/.036-.9*np.abs(x/.036)**.6)**2-1)
    return _smooth(.2, .1, np.abs(r-.75)) if kind=='ring' else 0*x

def _cloth(rgb, folds, at, ends): # colour with soft folds, darker where it ends
    edge = sum((np.exp(-np.abs(at-e)/.03) for e in ends), np.zeros_like(at))
    return rgb*(1 + .22*(folds-.5) - .16*np.minimum(edge, 1))[...,None]

class _Painter:
    "Paints the tubes of one figure, each in its own place (around 0..1, at, x and y in heights)"
    def __init__(self, figure):
        w = self.w = figure.wears
        self.rng = np.random.default_rng([figure.who, 12])
        self.skin, self.hair_colour, self.bottom, self.shoe = (_rgb(w[k]) for k in ('skin', 'hair', 'cloth', 'shoes'))
        self.top, self.other = (_rgb(code) for code in w['top'].split(':'))
        self.iris, self.lips = _rgb(self.rng.choice(['3b2a1c', '3d5a3f', '39566f'])), _mix(self.skin, _rgb('a8323c'), self.rng.uniform(.35, .7))

    def noise(self, like, cell): return _noise(self.rng, like, like.shape[::-1], cell)

    def flesh(self, like): return self.skin*(1+.1*(self.noise(like, (8, 8))-.5))[...,None]

    def torso(self, around, at, x, y, n):
        w, folds = self.w, self.noise(x, (9, 5))
        second = _print(w['print'], x, at-.2, around)*(w['print'] in ('hoops','stripes','dots','checks') or (np.abs(around-.5)<.25))
        top = _mix(self.top, self.other, second)
        if w['mark']=='half': top = _mix(top, _mix(self.other, self.top, second), x>0)
        bare = _smooth(.292, .3, at + .02*_spot(x, 0*x, .03, 1)) if w['sleeves'] else _smooth(.255, .262, at + .03*np.cos(np.abs(x)/.05*np.pi)*(np.abs(x)<.1))
        rgb = _mix(_cloth(top, folds, at, [0.]), self.flesh(x), bare)
        return _mix(_cloth(np.broadcast_to(self.bottom, rgb.shape), folds, at, [.01]), rgb, _smooth(-.003, .003, at-(.055 if w['bottom']=='skirt' else .0)))

    def neck(self, around, at, x, y, n): return self.flesh(x)*(1-.22*_smooth(-.29, -.25, at))[...,None]

    def skull(self, around, at, x, y, n):
        side, rgb = np.abs(x), self.flesh(x)
        rgb = _mix(rgb, self.skin*np.float32([1, .72, .68]), .5*_spot(side-.032, at+.02, .014, .011, .9))        # cheeks
        rgb = rgb*(1 - .1*_spot(x, at+.034, .012, .006, .8) - .1*_spot(side-.02, at-.006, .018, .013, .9))[...,None]  # below the nose, round the eyes
        rgb = _mix(rgb, np.ones(3), .22*_spot(x, at+.016, .006, .02, .9))
        rgb = _mix(rgb, np.float32([.97, .96, .94]), _spot(side-.022, at-.002, .0135, .0085))
        rgb = _mix(rgb, self.iris*.8, _spot(side-.0215, at-.002, .0065, .0075))
        rgb = _mix(rgb, self.hair_colour*.55, .9*_spot(side-.022, at-.011+3*(side-.022)**2, .0155, .003, .4))      # lashes
        rgb = _mix(rgb, self.hair_colour*.7, .85*_spot(side-.023, at-.0225+8*(side-.02)**2, .015, .0038, .4))     # brows
        rgb = _mix(rgb, self.lips, _spot(x, at+.045-6*side**2, .017, .0055, .35))
        rgb = _mix(rgb, self.skin*.8, .8*_spot(side-.083, at+.002, .011, .018, .3))                               # ears
        hairline = np.interp(np.abs(around-.5), [0, .13, .2, .24, .3, .5], [.05, .047, .03, -.01, -.035, -.055])
        return _mix(rgb, self.strands(x), _smooth(-.004, .004, at-hairline))

    def strands(self, x): return self.hair_colour*(.82+.5*self.noise(x, (2.5, 14) if self.w['style']!='curly' else (4, 4)))[...,None]

    def hair(self, around, at, x, y, n):
        if self.w['style']!='cap': return self.strands(x)*(1+.25*np.exp(-((at-.05)/.012)**2))[...,None]
        return _cloth(_mix(self.other, self.top, _smooth(-.01, .01, np.abs(around-.5)-.12)*(at>-.5)), self.noise(x, (8, 8)), at, [.012])

    def arm(self, around, at, x, y, n):
        w, left = self.w, n==1
        end = 1.77 if left and w['mark']=='sleeve' else w['sleeves']
        colour = self.other if left and w['mark'] in ('sleeve', 'half') else self.top
        cover = _mix(colour, self.other, _print('hoops', x, y, 0)*(w['print']=='hoops')*(colour is self.top))
        rgb = _mix(_cloth(cover, self.noise(x, (7, 6)), at, [end]), self.flesh(x)*(1-.08*np.exp(-((at-1)/.08)**2))[...,None], _smooth(-.012, .012, at-end))
        if left and w['mark']=='glove': rgb = _mix(rgb, _cloth(np.broadcast_to(self.other, rgb.shape), self.noise(x, (6, 6)), at, [1.62]), at>1.62)
        if left and w['mark']=='band': rgb = _mix(rgb, self.other*(1+.1*np.sin(90*at))[...,None], np.abs(at-1.86)<.07)
        return _mix(rgb, rgb*.8, .6*_smooth(.5, .4, np.abs(np.abs(around*4-2)%1-.5))*(at>2.2))

    def leg(self, around, at, x, y, n):
        left = n>1
        if n%2: return self.foot(around, at, x, left)
        w, end = self.w, _ENDS[self.w['bottom']]
        cloth = self.other if left and w['mark']=='leg' else self.bottom
        folds = self.noise(x, (7, 9)) + .25*np.exp(-((at-1)/.1)**2)*np.sin(at*60)
        rgb = _mix(_cloth(np.broadcast_to(cloth, (*x.shape, 3)), folds, at, [end]), self.flesh(x)*(1-.1*np.exp(-((at-1)/.07)**2))[...,None], _smooth(-.01, .01, at-end))
        sock = 1.5 if left and w['mark'] in ('socks','leg') else 1.86
        if end<1: rgb = _mix(rgb, _cloth(np.broadcast_to(self.other if sock<1.6 else _rgb('f2efe8'), rgb.shape), self.noise(x, (4, 12)), at, [sock]), at>sock)
        if left and w['mark'] in ('socks','band'): rgb = _mix(rgb, self.other, (np.abs(at-1.0)<.12) if w['mark']=='band' else (at>sock))
        return rgb

    def foot(self, around, at, x, left):
        shoe = np.broadcast_to(self.other if left and self.w['mark']=='socks' else self.shoe, (*x.shape, 3))
        rgb = _mix(shoe, _mix(_rgb('f7f5f0'), shoe, .5), _spot(around-.5, at-2.45, .13, .3))       # laces
        return _mix(rgb, np.full(3, .93 if shoe.mean()<.6 else .35, np.float32), _smooth(.3, .33, np.abs(around-.5)))*(.92+.16*self.noise(x, (6, 6)))[...,None]

    def skirt(self, around, at, x, y, n):
        pleats = .5+.5*np.sin(around*2*np.pi*14)*_smooth(-.1, .3, at)
        cloth = _mix(self.bottom, _mix(self.bottom, self.other, .7), np.abs(at-.74)<.04)
        if self.w['mark']=='leg': cloth = _mix(cloth, self.other, x>0)
        return _cloth(cloth, .6*pleats+.4*self.noise(x, (10, 8)), at, [.86])

def painted(
    figure:Figure,
    density:float, # texels a height
): # sheet (h,w,4) float32 and where the corners of the rings are on it (R,13,2)
    "The sheet of a figure: all its tubes unrolled"
    size, texels, rows = figure.tubes.layout(density)
    sheet, painter = np.zeros((*size, 4), np.float32), _Painter(figure)
    for n,(name, span, (top, bottom, width)) in enumerate(zip(figure.names, figure.tubes.spans, rows)):
        y, x = np.mgrid[top-1:bottom+1,:width].astype(np.float32)
        at = np.interp(y, texels[span,0,1], figure.tubes.at[span]).astype(np.float32)
        around = np.clip((x-1)/(width-2), 0, 1)
        girth = np.interp(y, texels[span,0,1], np.linalg.norm(np.diff(figure.tubes.rest[span], axis=1), axis=-1).sum(1)).astype(np.float32)
        rgb = getattr(painter, name)(around, at, (around-.5)*girth, (y-top)/density, n-figure.names.index(name))
        sheet[top-1:bottom+1,:width,:3], sheet[top-1:bottom+1,:width,3] = np.clip(rgb, 0, 1), 1
    return sheet, texels
