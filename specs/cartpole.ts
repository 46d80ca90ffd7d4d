/**
 * The live data source that ppo.ztrain declares: poles on carts that the policy balances while it is trained. The dynamics are those of Barto,
 * Sutton and Anderson (1983) as Gymnasium's CartPole-v1 has them: reward 1 a step, at most 500 steps an episode.
 */
import type { data } from 'ztrain/runtime';

interface Observations {
  readonly obs: Float32Array;
}

export interface RolloutsOptions {
  /** Observations to logits of the two actions. */
  readonly policy: data.ModelFunction<Observations, Float32Array>;
  /** Observations to the expected return from there. */
  readonly value: data.ModelFunction<Observations, Float32Array>;
  /** Environments that are played side by side. */
  readonly envs: number;
  /** Steps of each environment in a harvest. */
  readonly horizon: number;
  /** What a reward is worth a step later. */
  readonly gamma: number;
  /** Of generalized advantage estimation: 0 is one step ahead, 1 the whole rest of the episode. */
  readonly lambda: number;
}

/** Position of the cart in m, its speed in m/s, angle of the pole in rad, its speed in rad/s. */
type CartState = readonly [x: number, speed: number, angle: number, turning: number];

/** An environment in the middle of an episode. */
interface Cart {
  readonly state: CartState;
  /** Steps, and so reward, of the episode so far. */
  readonly steps: number;
}

const gravity = 9.8;
const massOfPole = 0.1;
const totalMass = 1 + massOfPole;
const halfLength = 0.5;
const force = 10;
const tick = 0.02;
const farthest = 2.4;
const steepest = (12 * 2 * Math.PI) / 360;
const longest = 500;
const sizes = 4;

/** The state a fiftieth of a second later, by Euler's method. Action 1 pushes to the right, 0 to the left. */
export function pushed([x, speed, angle, turning]: CartState, action: number): CartState {
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const pole = massOfPole * halfLength;
  const part = ((action === 1 ? force : -force) + pole * turning ** 2 * sin) / totalMass;
  const turned = (gravity * sin - cos * part) / (halfLength * (4 / 3 - (massOfPole * cos ** 2) / totalMass));
  const pulled = part - (pole * turned * cos) / totalMass;
  return [x + tick * speed, speed + tick * pulled, angle + tick * turning, turning + tick * turned];
}

/** Whether the pole has fallen, or the cart has left the track. */
export const hasFallen = ([x, , angle]: CartState): boolean =>
  Math.abs(x) > farthest || Math.abs(angle) > steepest;

const begin = (random: data.LiveRandom): Cart => {
  const near = (): number => 0.1 * random.uniform() - 0.05;
  return { state: [near(), near(), near(), near()], steps: 0 };
};

const logSoftmax = (logits: readonly number[], at: number): number => {
  const most = Math.max(...logits);
  const sum = logits.reduce((all, logit) => all + Math.exp(logit - most), 0);
  return (logits[at] ?? Number.NaN) - most - Math.log(sum);
};

/** Advantages less their mean, in units of their deviation. */
const standardized = (values: Float32Array): Float32Array => {
  const mean = values.reduce((all, each) => all + each, 0) / values.length;
  const variance = values.reduce((all, each) => all + (each - mean) ** 2, 0) / values.length;
  return values.map((each) => (each - mean) / (Math.sqrt(variance) + 1e-8));
};

/** Rows of a harvest: step after step, in each the environments in their order. */
export function rollouts(options: RolloutsOptions): data.LiveSource<{
  readonly obs: Float32Array;
  readonly action: Int32Array;
  readonly logp: Float32Array;
  readonly advantage: Float32Array;
  readonly target: Float32Array;
  readonly episode_return: readonly (number | null)[];
}> {
  const { policy, value, envs, horizon, gamma, lambda } = options;
  let carts: readonly Cart[] = [];

  /** Values of states that lie together, `envs` at a time: a model is compiled for each number of rows. */
  const valuesOf = async (states: readonly CartState[]): Promise<readonly number[]> => {
    const found: number[] = [];
    for (let from = 0; from < states.length; from += envs) {
      const obs = new Float32Array(sizes * envs);
      states.slice(from, from + envs).forEach((state, at) => obs.set(state, sizes * at));
      found.push(...(await value(envs, { obs })));
    }
    return found;
  };

  return {
    async harvest({ rows, random }) {
      if (rows !== envs * horizon)
        throw new Error(
          `envs × horizon is ${envs} × ${horizon}, and a batch has ${rows} rows; make them equal`,
        );
      if (carts.length === 0) carts = Array.from({ length: envs }, () => begin(random));
      const obs = new Float32Array(sizes * rows);
      const action = new Int32Array(rows);
      const logp = new Float32Array(rows);
      const returns: (number | null)[] = [];
      /** Where an episode ended, and what was cut off there: the state after its last step, where it did not fall. */
      const ended = new Uint8Array(rows);
      const cut: { readonly row: number; readonly state: CartState }[] = [];
      for (let step = 0; step < horizon; step += 1) {
        const seen = new Float32Array(sizes * envs);
        carts.forEach(({ state }, at) => seen.set(state, sizes * at));
        obs.set(seen, sizes * envs * step);
        const logits = await policy(envs, { obs: seen });
        carts = carts.map(({ state, steps }, at): Cart => {
          const row = envs * step + at;
          const own = [...logits.subarray(2 * at, 2 * at + 2)];
          const chosen = random.categorical(own);
          action[row] = chosen;
          logp[row] = logSoftmax(own, chosen);
          const next = { state: pushed(state, chosen), steps: steps + 1 };
          const fell = hasFallen(next.state);
          const isOver = fell || next.steps >= longest;
          returns.push(isOver ? next.steps : null);
          if (!isOver) return next;
          ended[row] = 1;
          if (!fell) cut.push({ row, state: next.state });
          return begin(random);
        });
      }
      const known = await value(rows, { obs });
      const after = await valuesOf(carts.map(({ state }) => state));
      const beyond = await valuesOf(cut.map(({ state }) => state));
      // What an episode that was cut off was still worth; 0 where the pole has fallen.
      const left = new Map(cut.map(({ row }, at) => [row, beyond[at] ?? 0]));
      const gain = new Float32Array(rows);
      for (let row = rows - 1; row >= 0; row -= 1) {
        const isOver = ended[row] === 1;
        const isLast = row + envs >= rows;
        const next = isLast ? (after[row % envs] ?? 0) : (known[row + envs] ?? 0);
        const delta = 1 + gamma * (isOver ? (left.get(row) ?? 0) : next) - (known[row] ?? 0);
        gain[row] = delta + (isOver || isLast ? 0 : gamma * lambda * (gain[row + envs] ?? 0));
      }
      const target = gain.map((each, row) => each + (known[row] ?? 0));
      return { obs, action, logp, advantage: standardized(gain), target, episode_return: returns };
    },
    state: () => carts.map(({ state, steps }) => ({ state: [...state], steps })),
    restore(kept) {
      if (!Array.isArray(kept)) throw new Error(`a list of carts is expected, got ${JSON.stringify(kept)}`);
      // Before the first harvest there are none.
      if (kept.length !== 0 && kept.length !== envs)
        throw new Error(
          `${envs} carts are expected (envs), got ${kept.length}; go on with as many as before`,
        );
      carts = kept.map(cartOf);
    },
  };
}

/** A cart as `state` gave it. Throws where it is none. */
function cartOf(kept: unknown, at: number): Cart {
  if (
    typeof kept === 'object' &&
    kept !== null &&
    'state' in kept &&
    'steps' in kept &&
    Array.isArray(kept.state)
  ) {
    const { steps } = kept;
    const numbers: readonly unknown[] = kept.state;
    const [x, speed, angle, turning] = numbers.filter(isNumber);
    if (
      numbers.length === sizes &&
      x !== undefined &&
      speed !== undefined &&
      angle !== undefined &&
      turning !== undefined &&
      isNumber(steps) &&
      Number.isInteger(steps) &&
      steps >= 0 &&
      steps < longest
    )
      return { state: [x, speed, angle, turning], steps };
  }
  throw new Error(
    `cart ${at} is expected as ${sizes} finite numbers and its steps, 0 to ${longest - 1}, got ${JSON.stringify(kept)}`,
  );
}

const isNumber = (value: unknown): value is number => Number.isFinite(value);
