/** Phases of schedules with their numbers, as far as those are known before the run. */
import type { Phase } from '../../values/schedule.js';
import type { Duration } from '../../values/units.js';
import { evaluateIr } from '../evaluate.js';
import type { IrNamed } from '../ir.js';
import { optionOf, type TrainingInput } from './input.js';
import { builtinDefault, builtinNumber, type Run } from './run.js';
import { lengthOf as writtenLength } from './lengths.js';

/** A phase of a built-in kind as the run plans it; null where a number of it is not known, and of a kind of the spec's own. */
export const phaseOf = (
  input: Pick<TrainingInput, 'prelude'>,
  kind: string,
  options: readonly IrNamed[],
  run: Run,
): Phase | null => {
  const number = (name: string): number | null => {
    const expr = optionOf(options, name);
    const value = expr === null ? null : evaluateIr(expr, run.names);
    return typeof value === 'number' ? value : null;
  };
  const orDefault = (name: string): number | null =>
    optionOf(options, name) === null ? builtinNumber(input, 'schedule', kind, name) : number(name);
  const lengthOf = (name: string): Duration | null => {
    const expr = optionOf(options, name);
    return expr === null ? null : writtenLength(expr, run);
  };
  const over = lengthOf('over');
  if (over === null) return null;
  const from = number('from');
  const to = number('to');
  const every = (): Duration | null => lengthOf('every');
  switch (kind) {
    case 'constant': {
      const value = number('value');
      return value === null ? null : { kind, value, over };
    }
    case 'step': {
      const interval = every();
      const factor = number('factor');
      return interval === null || factor === null ? null : { kind, factor, every: interval, over, from };
    }
    case 'warmup':
    case 'linear':
    case 'cosine':
    case 'exponential':
      return to === null ? null : { kind, to, over, from, every: every() };
    case 'polynomial': {
      const power = orDefault('power');
      return to === null || power === null ? null : { kind, to, over, from, every: every(), power };
    }
    case 'one_cycle': {
      const peak = number('peak');
      const [pctStart, divFactor, finalDivFactor] = [
        orDefault('pct_start'),
        orDefault('div_factor'),
        orDefault('final_div_factor'),
      ];
      const anneal = optionOf(options, 'anneal');
      const shape =
        anneal === null ? builtinDefault(input, 'schedule', kind, 'anneal') : evaluateIr(anneal, run.names);
      if (peak === null || pctStart === null || divFactor === null || finalDivFactor === null) return null;
      if (shape !== 'linear' && shape !== 'cosine') return null;
      return { kind, peak, over, pctStart, divFactor, finalDivFactor, anneal: shape };
    }
    case 'plateau': {
      const watched = optionOf(options, 'monitor');
      if (watched?.kind !== 'monitor') return null;
      const monitor = { mode: watched.mode ?? 'min', metric: watched.metric };
      // What it does depends on measurements; the plan has its length and what it begins with.
      const numbers = { factor: 0.5, patience: 0, threshold: 0, cooldown: 0, min: 0 };
      return { kind, monitor, ...numbers, thresholdMode: 'relative', over, from };
    }
    default:
      return null;
  }
};
