/** Where the time of a run goes, phase by phase, as the loop sees it. */
import { showNumber, showSeconds, table } from './format.js';

interface Phase {
  milliseconds: number;
  calls: number;
}

export class Profile {
  readonly #phases = new Map<string, Phase>();

  /** Runs `work` and adds its wall time to a phase. Phases do not nest. */
  async time<T>(phase: string, work: () => Promise<T> | T): Promise<T> {
    const from = performance.now();
    try {
      return await work();
    } finally {
      const known = this.#phases.get(phase) ?? { milliseconds: 0, calls: 0 };
      known.milliseconds += performance.now() - from;
      known.calls += 1;
      this.#phases.set(phase, known);
    }
  }

  /** A line for each phase, the longest first; `seconds` is the whole run. */
  lines(seconds: number, columns: number): readonly string[] {
    const phases = [...this.#phases].sort(([, a], [, b]) => b.milliseconds - a.milliseconds);
    const known = phases.reduce((total, [, { milliseconds }]) => total + milliseconds, 0) / 1000;
    const share = (part: number): string => `${((100 * part) / Math.max(seconds, 1e-9)).toFixed(1)} %`;
    const rows = phases.map(([name, { milliseconds, calls }]) => [
      name,
      share(milliseconds / 1000),
      showSeconds(milliseconds / 1000),
      String(calls),
      `${showNumber(milliseconds / calls)} ms`,
    ]);
    const rest = Math.max(0, seconds - known);
    return table(
      [
        ['profile', 'share', 'time', 'calls', 'each'],
        ...rows,
        ['start, end and the loop itself', share(rest), showSeconds(rest), '', ''],
      ],
      columns,
    );
  }
}
