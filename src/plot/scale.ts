/** Axes: which range a scale has, where its ticks are, and how they are written. */

/** From values to 0 … 1 along an axis, and the ticks on it. */
export interface Scale {
  readonly kind: 'linear' | 'log';
  readonly low: number;
  readonly high: number;
  /** 0 at `low`, 1 at `high`; NaN for what is not finite, and on a log scale for what is not above 0. */
  readonly at: (value: number) => number;
  readonly ticks: readonly Tick[];
}

export interface Tick {
  readonly value: number;
  readonly label: string;
}

/** The least of 1, 2, 5 and 10 times a power of ten that is at least `step`. */
function niceStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const part = step / power;
  // 2.0000000000000004 is 2 that was computed.
  const nice = [1, 2, 5].find((each) => part <= each * (1 + 1e-9)) ?? 10;
  return nice * power;
}

/** A number with as many digits as tell neighbours that lie `step` apart from each other. */
export function tickLabel(value: number, step: number): string {
  if (value === 0 || Math.abs(value) < step * 1e-6) return '0';
  const size = Math.abs(value);
  const digits = Math.max(0, Math.floor(Math.log10(size) + 1e-9) - Math.floor(Math.log10(step) + 1e-9));
  if (size >= 1e6 || size < 1e-4)
    return value
      .toExponential(Math.min(digits, 15))
      .replace(/(\.\d*?)0+e/, '$1e')
      .replace('.e', 'e')
      .replace('e+', 'e');
  const decimals = Math.min(15, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  return value.toFixed(decimals);
}

/** Values that are all the same, or the only one, get room on both sides. */
function widened(low: number, high: number): readonly [number, number] {
  // Apart only by rounding: no tick could be written between them.
  const same = high / 2 - low / 2 <= Math.max(Math.abs(low), Math.abs(high)) * 1e-12;
  if (!same) return [low, high];
  const room = Math.abs(low) * 0.1;
  if (room === 0 || low - room === low) return [low - 1, high + 1];
  return [Math.max(low - room, -Number.MAX_VALUE), Math.min(high + room, Number.MAX_VALUE)];
}

/** Halves throughout: the whole span of ±1e308 is no number. */
function linear(low: number, high: number, ticks: readonly Tick[]): Scale {
  const span = high / 2 - low / 2;
  const at = (value: number): number => (Number.isFinite(value) ? (value / 2 - low / 2) / span : Number.NaN);
  return { kind: 'linear', low, high, at, ticks };
}

const finest = 32;

/** A linear scale with about `count` ticks at round numbers, its ends at the values or, `rounded`, at ticks. */
export function linearScale(least: number, most: number, count: number, rounded = true): Scale {
  const [low, high] = widened(least, most);
  const step = niceStep(Math.max((high / 2 - low / 2) / Math.max(1, count), Number.MIN_VALUE) * 2);
  if (!Number.isFinite(step)) return linear(low, high, endTicks(low, high));
  const first = rounded ? Math.floor(low / step + 1e-9) : Math.ceil(low / step - 1e-9);
  const last = rounded ? Math.ceil(high / step - 1e-9) : Math.floor(high / step + 1e-9);
  const ticks = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
    // A multiple, not a sum: 0.1 added three times is not 0.3.
    const value = Number(((first + index) * step).toPrecision(14));
    return { value, label: tickLabel(value, step) };
  }).filter(({ value }) => Number.isFinite(value));
  // Ends that are no ticks may leave none between them: one tick alone says nothing of distances.
  if (!rounded && ticks.length < 2 && count < finest) return linearScale(least, most, 2 * count, false);
  if (!rounded) return linear(low, high, ticks.length > 0 ? ticks : endTicks(low, high));
  const [bottom, top] = [ticks.at(0)?.value, ticks.at(-1)?.value];
  // Beyond the largest number there is no tick to end at.
  return bottom !== undefined && top !== undefined && bottom <= low && top >= high
    ? linear(bottom, top, ticks)
    : linearScale(least, most, count, false);
}

const endTicks = (low: number, high: number): readonly Tick[] =>
  [low, high].map((value) => ({ value, label: value.toExponential(1).replace('e+', 'e') }));

/** A logarithmic scale of values above 0: ticks at powers of ten, with 2 and 5 where there are few. */
export function logScale(least: number, most: number, count: number): Scale {
  const [first, last] =
    least === most
      ? [Math.log10(least) - 0.5, Math.log10(most) + 0.5]
      : [Math.log10(least), Math.log10(most)];
  const decades = Math.floor(last + 1e-9) - Math.ceil(first - 1e-9) + 1;
  const factors = decades >= 3 ? [1] : decades >= 2 ? [1, 3] : [1, 2, 5];
  const every = Math.max(1, Math.ceil(decades / Math.max(1, count)));
  const ticks: Tick[] = [];
  for (let power = Math.floor(first); power <= Math.ceil(last); power += 1) {
    if (every > 1 && power % every !== 0) continue;
    for (const factor of factors) {
      const value = Number(`${factor}e${power}`);
      const at = Math.log10(factor) + power;
      if (at >= first - 1e-9 && at <= last + 1e-9 && Number.isFinite(value) && value > 0)
        ticks.push({ value, label: tickLabel(value, value) });
    }
  }
  const scale = (low: number, high: number, shown: readonly Tick[]): Scale => ({
    kind: 'log',
    low: 10 ** low,
    high: 10 ** high,
    at: (value) =>
      value > 0 && Number.isFinite(value) ? (Math.log10(value) - low) / (high - low) : Number.NaN,
    ticks: shown,
  });
  // Between two powers of ten there may be no such tick at all, or one: then the scale's linear ticks tell more.
  if (ticks.length >= 2) return scale(first, last, ticks);
  const inner = linearScale(10 ** first, 10 ** last, count, false).ticks.filter(({ value }) => value > 0);
  return scale(first, last, inner);
}

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const timeSteps: readonly number[] = [
  ...[1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * minute),
  ...[1, 2, 3, 6, 12].map((n) => n * hour),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((n) => n * day),
];

/** `90s` of seconds, `1m30s`, `2h`, `1d12h`, in the units that a step between ticks needs. */
function timeLabel(seconds: number, step: number): string {
  if (seconds === 0) return '0';
  if (step < 1) return `${tickLabel(seconds, step)}s`;
  const units: readonly (readonly [number, string])[] = [
    [day, 'd'],
    [hour, 'h'],
    [minute, 'm'],
    [1, 's'],
  ];
  let rest = Math.round(seconds);
  return units
    .flatMap(([size, unit]) => {
      const whole = Math.floor(rest / size);
      rest -= whole * size;
      return whole === 0 ? [] : [`${whole}${unit}`];
    })
    .join('');
}

/** Seconds, with ticks at round times. */
export function timeScale(least: number, most: number, count: number): Scale {
  const [low, high] = widened(least, most);
  const wanted = (high - low) / Math.max(1, count);
  const step = timeSteps.find((each) => each >= wanted) ?? niceStep(wanted);
  if (wanted <= 0.5) {
    const plain = linearScale(low, high, count, false);
    const [a, b] = plain.ticks;
    const between = a === undefined || b === undefined ? wanted : b.value - a.value;
    const shown = plain.ticks.filter(({ value }) => value >= 0);
    return linear(
      low,
      high,
      shown.map(({ value }) => ({ value, label: timeLabel(value, between) })),
    );
  }
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const ticks = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => {
    const value = (first + index) * step;
    return { value, label: timeLabel(value, step) };
  }).filter(({ value }) => value >= 0);
  if (ticks.length < 2 && count < finest) return timeScale(least, most, 2 * count);
  return linear(low, high, ticks);
}

/** Steps: whole numbers, thousands told apart. */
export function stepScale(least: number, most: number, count: number): Scale {
  const plain = linearScale(least, most, count, false);
  const ticks = plain.ticks
    .filter(({ value }) => Number.isInteger(value))
    .map(({ value }) => ({ value, label: countLabel(value) }));
  return linear(plain.low, plain.high, ticks);
}

/** `500`, `2,500`, `150k`, `2.5M`: exact, for ticks are round. */
function countLabel(value: number): string {
  const [size, unit] = Math.abs(value) >= 1e6 ? [1e6, 'M'] : Math.abs(value) >= 1e4 ? [1e3, 'k'] : [1, ''];
  return `${(value / size).toLocaleString('en-US', { maximumFractionDigits: 6 })}${unit}`;
}
