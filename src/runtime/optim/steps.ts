/** The rules as arithmetic, for engines that have no op of their own for one. */
import type { StateVariable } from '../engine/engine.js';
import * as ops from '../ops/index.js';
import type { Scalar, Tensor } from '../tensor.js';
import type { Rule } from './optimizer.js';
import { biasCorrection, countOf, slotOf, type OwnedWeight } from './update.js';

/** Replaces a weight's or slot's value, unless the step is not fine. */
type Set = (variable: StateVariable, value: Tensor) => void;
/** The weight's new value; its slots are set. */
type Step = (weight: OwnedWeight, gradient: Tensor, rate: Scalar) => Tensor;
type Counts = ReadonlyMap<StateVariable, Scalar>;

export function makeStep(rule: Rule, counts: Counts, set: Set): Step {
  switch (rule.kind) {
    case 'sgd':
      return sgdStep(rule, set);
    case 'adam':
    case 'adamw':
      return adamStep(rule, counts, set);
    case 'lamb':
      return lambStep(rule, counts, set);
    case 'lion':
      return lionStep(rule, set);
    case 'adagrad':
      return adagradStep(rule, set);
    case 'rmsprop':
      return rmspropStep(rule, set);
    case 'extern':
      return externStep(rule, counts, set);
  }
}

function decayed(weight: OwnedWeight, gradient: Tensor): Tensor {
  const { weightDecay } = weight;
  return weightDecay === 0
    ? gradient
    : ops.add<Tensor>(gradient, ops.mul<Tensor>(weight.variable.read(), weightDecay));
}

function sgdStep({ momentum, nesterov }: Extract<Rule, { kind: 'sgd' }>, set: Set): Step {
  return (weight, given, rate) => {
    const gradient = decayed(weight, given);
    if (momentum === 0) return ops.sub<Tensor>(weight.variable.read(), ops.mul<Tensor>(gradient, rate));
    const slot = slotOf(weight, 'momentum');
    const velocity = ops.add<Tensor>(ops.mul<Tensor>(slot.read(), momentum), gradient);
    set(slot, velocity);
    const direction = nesterov ? ops.add<Tensor>(gradient, ops.mul<Tensor>(velocity, momentum)) : velocity;
    return ops.sub<Tensor>(weight.variable.read(), ops.mul<Tensor>(direction, rate));
  };
}

type AdamRule = Extract<Rule, { kind: 'adam' | 'adamw' | 'lamb' }>;

/** m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + ε) times `factor`, once both are replaced. */
function adamDirection(
  { betas: [beta1, beta2], epsilon }: AdamRule,
  counts: Counts,
  set: Set,
): (weight: OwnedWeight, gradient: Tensor, factor: Scalar | null) => Tensor {
  const corrections = new Map<Scalar, { readonly first: Scalar; readonly second: Scalar }>();
  const factors = new Map<string, Scalar>();
  return (weight, gradient, factor) => {
    const count = countOf(counts, weight);
    const known = corrections.get(count) ?? {
      first: biasCorrection(beta1, count),
      second: ops.rsqrt(biasCorrection(beta2, count)),
    };
    corrections.set(count, known);
    const key = `${count.id} ${factor?.id ?? ''}`;
    const scale = factors.get(key) ?? ops.div<Scalar>(factor ?? 1, known.first);
    factors.set(key, scale);
    const m = slotOf(weight, 'm');
    const v = slotOf(weight, 'v');
    const mean = ops.add<Tensor>(ops.mul<Tensor>(m.read(), beta1), ops.mul<Tensor>(gradient, 1 - beta1));
    const square = ops.add<Tensor>(
      ops.mul<Tensor>(v.read(), beta2),
      ops.mul<Tensor>(ops.square(gradient), 1 - beta2),
    );
    set(m, mean);
    set(v, square);
    const root = ops.add<Tensor>(ops.mul<Tensor>(ops.sqrt(square), known.second), epsilon);
    return ops.mul<Tensor>(ops.div<Tensor>(mean, root), scale);
  };
}

function adamStep(rule: AdamRule, counts: Counts, set: Set): Step {
  const direction = adamDirection(rule, counts, set);
  return (weight, given, rate) => {
    const step = direction(weight, rule.kind === 'adam' ? decayed(weight, given) : given, rate);
    const before = weight.variable.read();
    const shrunk =
      rule.kind === 'adamw' && weight.weightDecay !== 0
        ? ops.sub<Tensor>(before, ops.mul<Tensor>(before, ops.mul<Scalar>(rate, weight.weightDecay)))
        : before;
    return ops.sub<Tensor>(shrunk, step);
  };
}

function lambStep(rule: AdamRule, counts: Counts, set: Set): Step {
  const direction = adamDirection(rule, counts, set);
  return (weight, given, rate) => {
    const before = weight.variable.read();
    const step = decayed(weight, direction(weight, given, null));
    const [length, stepLength] = [before, step].map((x) => ops.sqrt(ops.sum<Scalar>(ops.square(x))));
    if (length === undefined || stepLength === undefined) throw new Error('two norms are two numbers');
    const both = ops.and(ops.greater<Scalar>(length, 0), ops.greater<Scalar>(stepLength, 0));
    const ratio = ops.select<Scalar>(both, ops.div<Scalar>(length, stepLength), 1);
    return ops.sub<Tensor>(before, ops.mul<Tensor>(step, ops.mul<Scalar>(rate, ratio)));
  };
}

function lionStep({ betas: [beta1, beta2] }: Extract<Rule, { kind: 'lion' }>, set: Set): Step {
  return (weight, gradient, rate) => {
    const slot = slotOf(weight, 'm');
    const before = slot.read();
    const mixed = (kept: number): Tensor =>
      ops.add<Tensor>(ops.mul<Tensor>(before, kept), ops.mul<Tensor>(gradient, 1 - kept));
    const direction = decayed(weight, ops.sign<Tensor>(mixed(beta1)));
    set(slot, mixed(beta2));
    return ops.sub<Tensor>(weight.variable.read(), ops.mul<Tensor>(direction, rate));
  };
}

function adagradStep({ epsilon }: Extract<Rule, { kind: 'adagrad' }>, set: Set): Step {
  return (weight, given, rate) => {
    const gradient = decayed(weight, given);
    const slot = slotOf(weight, 'square');
    const square = ops.add<Tensor>(slot.read(), ops.square(gradient));
    set(slot, square);
    const scaled = ops.div<Tensor>(gradient, ops.add<Tensor>(ops.sqrt(square), epsilon));
    return ops.sub<Tensor>(weight.variable.read(), ops.mul<Tensor>(scaled, rate));
  };
}

function rmspropStep(
  { decay, momentum, epsilon, centered }: Extract<Rule, { kind: 'rmsprop' }>,
  set: Set,
): Step {
  const running = (slot: StateVariable, value: Tensor): Tensor => {
    const next = ops.add<Tensor>(ops.mul<Tensor>(slot.read(), decay), ops.mul<Tensor>(value, 1 - decay));
    set(slot, next);
    return next;
  };
  return (weight, given, rate) => {
    const gradient = decayed(weight, given);
    const square = running(slotOf(weight, 'square'), ops.square(gradient));
    const mean = centered ? running(slotOf(weight, 'mean'), gradient) : null;
    // Rounding may leave a variance a little below 0.
    const spread: Tensor =
      mean === null ? square : ops.max<Tensor>(ops.sub<Tensor>(square, ops.square(mean)), 0);
    const scaled = ops.div<Tensor>(gradient, ops.add<Tensor>(ops.sqrt(spread), epsilon));
    if (momentum === 0) return ops.sub<Tensor>(weight.variable.read(), ops.mul<Tensor>(scaled, rate));
    const buffer = slotOf(weight, 'momentum');
    const velocity = ops.add<Tensor>(ops.mul<Tensor>(buffer.read(), momentum), scaled);
    set(buffer, velocity);
    return ops.sub<Tensor>(weight.variable.read(), ops.mul<Tensor>(velocity, rate));
  };
}

function externStep({ run }: Extract<Rule, { kind: 'extern' }>, counts: Counts, set: Set): Step {
  return (weight, gradient, rate) => {
    const { variable, weightDecay } = weight;
    const given = { weight: variable.read(), gradient, rate, weightDecay, count: countOf(counts, weight) };
    const after = run(given, (name) => slotOf(weight, name).read());
    for (const [name, value] of after.slots) set(slotOf(weight, name), value);
    return after.weight;
  };
}
