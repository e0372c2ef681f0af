"""A skeleton that dances: poses in any proportions, and a choreographer who makes them up from a seed"""
import math
from dataclasses import dataclass

import numpy as np

from .clip import InputError

# joints of the inner skeleton; x to the dancer's left, y up, z to the front
JOINTS = 'hips chest neck head'.split() + [f'{s}{j}' for s in 'rl' for j in 'shoulder elbow wrist hip knee ankle toe'.split()]
_AT = {name: k for k,name in enumerate(JOINTS)}
_SIDES = dict(r=-1., l=1.)

def _unit(v): return v/np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)

def spin(axis:int, degrees:float): # (3,3)
    "Rotation about axis x, y or z (0, 1, 2), counter-clockwise as seen from its tip"
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[[1,0,0], [0,c,-s], [0,s,c]], [[c,0,s], [0,1,0], [-s,0,c]], [[c,-s,0], [s,c,0], [0,0,1]]][axis])

def swing(a, b): # unit vectors (3,) -> (3,3)
    "The smallest rotation that takes `a` to `b`; they may not be opposite"
    (ax, ay, az), (bx, by, bz) = a, b
    x, y, z, c = ay*bz-az*by, az*bx-ax*bz, ax*by-ay*bx, ax*bx+ay*by+az*bz
    k = 1/max(1+c, 1e-6)
    return np.array([[k*x*x+c, k*x*y-z, k*x*z+y], [k*x*y+z, k*y*y+c, k*y*z-x], [k*x*z-y, k*y*z+x, k*z*z+c]])

@dataclass(frozen=True)
class Build:
    "Proportions: lengths as shares of the height of a grown-up (1 is 1.75 m), widths from the middle line"
    thigh:float=.245
    shin:float=.24
    foot:float=.12     # ankle to toe
    ankle:float=.045   # height above the sole
    hip:float=.052     # half of the distance between the hip joints
    waist:float=.125   # hips to chest
    chest:float=.175   # chest to the neck's root
    neck:float=.115    # the neck's root to the middle of the head
    shoulder:float=.105 # half of the distance between the shoulder joints
    upper_arm:float=.17
    forearm:float=.145
    @property
    def leg(self): return self.thigh + self.shin

@dataclass(frozen=True)
class Pose:
    "A pose that any build can take: directions, and places in leg lengths; columns of the frames are left, up and front"
    root:np.ndarray    # (3,) of the hips; y above the ankles' height when standing on the floor
    pelvis:np.ndarray  # (3,3)
    chest:np.ndarray   # (3,3)
    head:np.ndarray    # (3,3)
    arms:np.ndarray    # (2,2,3) unit directions: right, left; upper arm, forearm
    ankles:np.ndarray  # (2,3) right, left; 0 is where a standing foot has it
    knees:np.ndarray   # (2,3) where the knees point
    toes:np.ndarray    # (2,3) unit directions from ankle to toe

def _bend(hip, ankle, pole, a, b): # two bones of lengths a and b from hip towards ankle -> knee and ankle
    d = ankle - hip
    reach = np.linalg.norm(d)
    along, reach = d/max(reach, 1e-9), np.clip(reach, abs(a-b)+1e-3, (a+b)*.9995)
    x = (a*a - b*b + reach*reach)/(2*reach)
    out = _unit(pole - along*(pole@along))
    return hip + along*x + out*np.sqrt(max(a*a-x*x, 0.)), hip + along*reach

def joints(pose:Pose, build:Build): # (18,3) in heights, floor at y=0, in the order of JOINTS
    "Where the joints of a dancer of this build are: bones of its own lengths, and feet where the pose wants them"
    at, unit = np.zeros((len(JOINTS), 3)), build.leg
    at[0] = pose.root*unit + [0, build.ankle, 0]
    at[1] = at[0] + pose.pelvis[:,1]*build.waist
    at[2] = at[1] + pose.chest[:,1]*build.chest
    at[3] = at[2] + (.35*pose.chest[:,1] + .65*pose.head[:,1])*build.neck
    for i,side in enumerate('rl'):
        k, out = _AT[f'{side}shoulder'], _SIDES[side]
        at[k] = at[2] + pose.chest@[out*build.shoulder, -.035, 0]
        at[k+1] = at[k] + pose.arms[i,0]*build.upper_arm
        at[k+2] = at[k+1] + pose.arms[i,1]*build.forearm
        at[k+3] = at[0] + pose.pelvis@[out*build.hip, -.01, 0]
        at[k+4], at[k+5] = _bend(at[k+3], pose.ankles[i]*unit + [0, build.ankle, 0], pose.knees[i], build.thigh, build.shin)
        at[k+6] = at[k+5] + pose.toes[i]*build.foot
    return at

# ---- the choreographer

# what a key of a dance says; degrees for angles, leg lengths for lengths. Arms: `up` from hanging (0) to overhead (180), `out` from
# sideways (0) to the front (90), `bend` of the elbow, `roll` turns the forearm about the upper arm. Feet: `x` outwards, `z` forwards, `y` off the floor
_REST = dict(turn=0, twist=0, lean=0, bow=0, look=0, nod=0, go=0, near=0, dip=.012, jump=0, sway=.5,
             **{f'{s}_{k}': v for s in 'rl' for k,v in dict(up=14, out=15, bend=22, roll=10, x=.16, z=0, y=0).items()})
_LIMITS = dict(twist=(-45,45), lean=(-30,30), bow=(-15,75), look=(-70,70), nod=(-35,40), dip=(.008,.45), jump=(0,.35), sway=(0,1),
               **{f'{s}_{k}': v for s in 'rl' for k,v in dict(up=(0,176), out=(-35,110), bend=(3,142), roll=(-60,120), x=(-.25,.9), z=(-.7,.9), y=(0,.9)).items()})
_NAMES = list(_REST)

# four beats each; `b_` means both sides
_MOVES = dict(
    sway='lean 7 sway .8 r_up 38 l_up 22 b_bend 60; lean -7 sway .2 r_up 22 l_up 38 b_bend 60; lean 7 sway .8 r_up 50 l_up 25 b_bend 75; lean -7 sway .2 r_up 25 l_up 50 b_bend 75',
    step='r_x .5 sway .25 b_up 60 b_bend 70 b_out 30 dip .1; r_x .3 l_x -.1 go -.2 sway .3 b_up 25 b_bend 100 b_out 60; l_x .5 sway .75 b_up 60 b_bend 70 b_out 30 dip .1; b_x .16 b_up 25 b_bend 100 b_out 60',
    raise_='b_up 80 b_bend 30 dip .1; b_up 165 b_bend 15 dip .03 nod -14; b_up 150 b_bend 40 b_roll 40 lean 8 nod -8; b_up 75 b_bend 15 dip .08',
    wave='r_up 118 r_bend 70 r_roll 90 look -18; r_up 128 r_bend 20 r_roll 80 lean 5; r_up 112 r_bend 80 r_roll 95 look -18; r_up 128 r_bend 22 r_roll 80 lean 5',
    twist='twist 32 look -12 b_up 50 b_out 45 b_bend 95 dip .12; twist -32 look 12 b_up 50 b_out 45 b_bend 95 dip .12; twist 38 b_up 62 b_out 45 b_bend 95 dip .2; twist -38 b_up 62 b_out 45 b_bend 95 dip .2',
    bow='b_up 70 dip .05; bow 52 nod 12 dip .12 r_up 55 r_out 75 r_bend 70 l_up 60 l_out -20; bow 58 nod 14 dip .14 r_up 55 r_out 75 r_bend 80 l_up 66 l_out -25; bow -4 nod -8 b_up 90 b_bend 10',
    jump='dip .3 bow 18 b_up 30 b_out -20 b_x .22; jump .26 dip .03 b_up 30 b_x .22; dip .26 bow 14 b_up 140 b_bend 20 b_x .3; b_up 60 dip .05',
    spin='turn 90 b_up 45 b_bend 85 b_out 50 dip .08; turn 180 b_up 40 b_bend 95 b_out 55; turn 270 b_up 45 b_bend 85 b_out 50 dip .08; turn 360 b_up 85 b_bend 10',
    kick='l_x .2 sway .85 b_up 75 dip .08; sway .95 r_z .8 r_y .6 l_up 80 l_out 70 r_up 70 bow -6; b_up 60 sway .7 dip .1; sway .3 b_up 30',
    point='r_up 148 r_bend 6 l_up 45 l_bend 110 l_roll 100 sway .8 l_x .3 look -25; r_up 40 r_out 70 r_bend 8 twist 30 sway .3 l_x .3 look 20 nod 10 dip .12; r_up 152 r_bend 6 l_up 45 l_bend 110 l_roll 100 sway .8 l_x .3 look -25; l_x .3 twist 18 b_up 45 b_bend 80',
    plie='b_x .34 dip .3 b_up 88 b_bend 28 b_out 20; b_x .34 dip .05 b_up 160 b_bend 45 b_roll 80; b_x .34 dip .3 b_up 88 b_bend 28 b_out 20; b_x .16 dip .04 b_up 30 b_out 50 b_bend 60',
    side='turn 62 look -40 b_up 30 b_bend 90; turn 66 look -48 r_up 95 r_out 70 l_up 60 l_out -25 r_z .3; turn 62 look -30 l_up 95 l_out 70 r_up 60 r_out -25 l_z .3; turn 0 b_up 50',
    clap='b_up 78 b_out 70 b_bend 40 b_roll 0 dip .1; b_up 75 b_out 0 b_bend 20; b_up 78 b_out 70 b_bend 40 b_roll 0 dip .1; b_up 150 b_out 0 b_bend 25',
    lunge='r_x .75 sway .15 dip .3 lean 12 l_up 120 r_up 80 l_bend 8 r_bend 8; r_x .75 sway .25 dip .26 l_up 140 r_up 60 lean 16; r_x .4 sway .5 b_up 80 b_bend 60; b_x .16 b_up 30 b_bend 90')

def _keys(text, mirrored): # a move as dictionaries, one a beat
    other = dict(r='l', l='r')
    def key(words):
        out = {}
        for name,value in zip(words[::2], map(float, words[1::2])):
            if name in ('turn','twist','lean','look','go') and mirrored: value = -value
            if name=='sway' and mirrored: value = 1-value
            for side in ('rl' if name[:2]=='b_' else name[0] if name[1]=='_' else ' '):
                side = other.get(side, side) if mirrored else side
                out[name if side==' ' else side+name[1:]] = value
        return out
    return [key(beat.split()) for beat in text.split(';')]

def _routine(seed, bars): # (beats, names): what each beat's key says
    rng = np.random.default_rng([seed, 2])
    names, rows, turned, here = list(_MOVES), [], 0., np.zeros(2)
    favourite = rng.permutation(names)[:9]           # a dance keeps to some of the moves, and comes back to them
    for bar in range(bars):
        move, mirrored, size = rng.choice(favourite), rng.random()<.5, rng.uniform(.85, 1.12)
        here = np.clip(here + rng.uniform(-.45, .45, 2), [-.55,-.5], [.55,.5])
        facing = rng.choice([0, 0, 0, 25, -25, 45, -45])
        for beat in _keys(_MOVES[move], mirrored):
            row = {**_REST, **beat}
            row = {k: v if k in ('turn','sway') else _REST[k]+(v-_REST[k])*size*rng.uniform(.93, 1.07) for k,v in row.items()}
            row = {k: float(np.clip(v, *_LIMITS.get(k, (-1e9,1e9)))) for k,v in row.items()}
            rows.append([row[k] + dict(turn=turned+facing, go=here[0], near=here[1]).get(k, 0) for k in _NAMES])
        turned += 360*round(row['turn']/360)
    return np.array(rows), turned

def _glide(before, here, there, after, e): # a curve through keys one apart that never overshoots them
    slopes = [np.where(a*b>0, 2*a*b/np.where(a*b>0, a+b, 1), 0) for a,b in ((here-before, there-here), (there-here, after-there))]
    return (2*e**3-3*e**2+1)*here + (e**3-2*e**2+e)*slopes[0] + (3*e**2-2*e**3)*there + (e**3-e**2)*slopes[1]

def _ease(x):
    x = np.clip(x, 0, 1)
    return x*x*x*(x*(6*x-15)+10)

class Choreography:
    "An endless dance made of moves of four beats; `pose(t)` for any time in frames"
    def __init__(self,
        seed:int=0,       # one seed, one dance
        fps:float=25.,    # frames a second
        bars:int=16,      # moves until it starts again
    ):
        rng = np.random.default_rng([seed, 1])
        self.beat = fps*60/rng.uniform(84, 112)           # frames a beat
        self.bounce, self.late = rng.uniform(.006, .02), rng.uniform(0, 1)
        self.keys, self.turned = _routine(seed, bars)
        self.feet = [self._foot_keys(i) for i in (0, 1)]

    def _key(self, beat, keys=None): # the row of a beat, however far
        keys = self.keys if keys is None else keys
        row = keys[beat%len(keys)].copy()
        if keys is self.keys: row[0] += self.turned*(beat//len(keys))
        return row

    def _foot_keys(self, i): # (beats,4): x, y, z of an ankle and its heading
        get = lambda name: self.keys[:,_NAMES.index(name)]
        side, out = 'rl'[i], (-1,1)[i]
        turn = np.radians(get('turn'))
        x, z = out*get(f'{side}_x'), get(f'{side}_z')
        return np.stack([get('go')+x*np.cos(turn)+z*np.sin(turn), get(f'{side}_y'),
                         get('near')-x*np.sin(turn)+z*np.cos(turn), get('turn')+out*14], 1)

    def _foot(self, i, beat, e): # x, y, z, heading between two beats: it stands, steps over, and stands again
        n = len(self.keys)
        a, b = (self.feet[i][k%n] + [0, 0, 0, self.turned*(k//n)] for k in (beat, beat+1))
        far = [np.hypot(*(self.feet[j][(beat+1)%n]-self.feet[j][beat%n])[[0,2]])>.02 for j in (0,1)]
        if not far[1-i]: start, end = .1, .95                 # the other foot rests: this one has the whole beat
        else: start, end = (.0,.55) if (i+beat%2)%2==0 else (.45,1.)
        s = _ease((e-start)/(end-start))
        out = a + (b-a)*s
        out[1] += .13*min(1, np.hypot(*(b-a)[[0,2]])/.2 + abs(b[3]-a[3])/120)*4*s*(1-s)
        return out

    @classmethod
    def rest(cls)->Pose:
        "Somebody who stands and waits"
        still = cls()
        still.keys, still.bounce, still.turned = np.array([[_REST[k] for k in _NAMES]]), 0., 0.
        still.feet = [still._foot_keys(i) for i in (0, 1)]
        return still.pose(0)

    def pose(self, t:float)->Pose:
        "The pose at time `t`"
        beat, e = divmod(t/self.beat, 1)
        beat = int(beat)
        k = dict(zip(_NAMES, _glide(*(self._key(beat+d) for d in (-1,0,1,2)), e)))
        hop = 4*self._key(beat)[_NAMES.index('jump')]
        air = hop*(f:=np.clip((e-.12)/.76, 0, 1))*(1-f)
        feet = np.stack([self._foot(i, beat, e) for i in (0, 1)])
        heading = spin(1, k['turn'])
        pelvis = heading @ spin(0, .35*k['bow']) @ spin(2, -.35*k['lean']) @ spin(1, -.25*k['twist'])
        chest = heading @ spin(0, k['bow']) @ spin(2, -k['lean']) @ spin(1, k['twist'])
        head = heading @ spin(0, .55*k['bow']+k['nod']) @ spin(2, -.4*k['lean']) @ spin(1, .5*k['twist']+k['look'])
        ankles = feet[:,:3] + [0, air, 0]
        root = self._root(k, ankles, air, self.bounce*np.sin(2*np.pi*e)**2)
        toes = np.stack([_toe(foot, k, air) for foot in feet])
        knees = np.stack([spin(1, foot[3]+out*8)@[0, 0, 1.] for foot,out in zip(feet, (-1,1))])
        arms = np.stack([_arm(chest, k, side) for side in 'rl'])
        return Pose(root, pelvis, chest, head, arms, ankles, knees, toes)

    def _root(self, k, ankles, air, bounce): # the hips hang between the feet, as high as both legs allow
        heading, share = np.radians(k['turn']), .1 + .8*k['sway']   # a bow needs the hips behind the feet
        x, z = .85*((1-share)*ankles[0] + share*ankles[1])[[0,2]] + .15*np.array([k['go'], k['near']]) \
            - .15*np.sin(np.radians(k['bow']))*np.array([np.sin(heading), np.cos(heading)])
        low = min(a[1]+np.sqrt(max(.995**2-(a[0]-x)**2-(a[2]-z)**2, .2)) for a in ankles)
        return np.array([x, min(1-k['dip']-bounce+air, low), z])

def _arm(chest, k, side): # directions of the upper arm and the forearm
    up, out, bend, roll = (np.radians(k[f'{side}_{n}']) for n in ('up','out','bend','roll'))
    aside, c, s = np.array([_SIDES[side], 0, 0]), np.cos, np.sin
    across = c(out)*aside + s(out)*np.array([0, 0, 1.])
    upper = -c(up)*np.array([0, 1., 0]) + s(up)*across
    hinge = c(roll)*(c(out)*np.array([0, 0, 1.]) - s(out)*aside) + s(roll)*(s(up)*np.array([0, 1., 0]) + c(up)*across)
    return np.stack([chest@upper, chest@_unit(c(bend)*upper + s(bend)*hinge)])

def _toe(foot, k, air): # pointed down while the foot is off the floor
    drop = np.radians(18 + 100*min(foot[1], .35) + 160*min(air, .25))
    return spin(1, foot[3]) @ np.array([0, -np.sin(drop), np.cos(drop)])
