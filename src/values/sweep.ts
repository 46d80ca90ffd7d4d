/** A sweep as data: its axes, the points between them, and what the runs of a point come to. */
import type { OptionValue } from './overrides.js';

/** What is set to one value after the other: a param, or an attribute that a command line may set. */
export interface Axis {
  /** As at a command line: `lr`, `opt.weight_decay`. */
  readonly name: string;
  readonly values: readonly OptionValue[];
}

export interface SweepPlan {
  /** Each combination of their values is a point. */
  readonly over: readonly Axis[];
  /** Each point is run once for each combination of theirs, and is known by the mean of these runs. */
  readonly average: readonly Axis[];
  /** The metric by which points are compared. */
  readonly pick: { readonly mode: 'min' | 'max'; readonly metric: string };
}

/** One value for one name, as a command line takes it. */
export interface Setting {
  readonly name: string;
  readonly value: OptionValue;
  readonly text: string;
}

/** The value as `parseOption` reads it. */
export function settingText(value: OptionValue): string {
  if (value === null) return 'none';
  if (typeof value !== 'object') return String(value);
  return `${value.value}.${value.unit === 'time' ? 'seconds' : value.unit}`;
}

/** Every combination of the axes' values, the last axis changing first. No axes: one combination of nothing. */
export function combinations(axes: readonly Axis[]): readonly (readonly Setting[])[] {
  return axes.reduce<readonly (readonly Setting[])[]>(
    (before, { name, values }) =>
      before.flatMap((settings) =>
        values.map((value) => [...settings, { name, value, text: settingText(value) }]),
      ),
    [[]],
  );
}

/** How many combinations there are, without making them. */
export function countOf(axes: readonly Axis[]): number {
  return axes.reduce((count, { values }) => count * values.length, 1);
}

/** The axes that are left when the command line sets some of these names itself. */
export function unfixed(plan: SweepPlan, names: ReadonlySet<string>): SweepPlan {
  const open = ({ name }: Axis): boolean => !names.has(name);
  return { ...plan, over: plan.over.filter(open), average: plan.average.filter(open) };
}

export interface Spread {
  readonly mean: number;
  /** Of a sample: divided by one less than the count. Null for one value. */
  readonly deviation: number | null;
}

/** Mean and standard deviation; null for no values. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1) return { mean, deviation: null };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}
