/** Where the time of a run goes: phase by phase, as the loop sees it, and for a trace span by span. */
import { showNumber, showSeconds, table } from './format.js';
import { SpanLog, type SpanDetails } from './span-log.js';

interface Phase {
  milliseconds: number;
  calls: number;
}

/** What time is taken of. */
export interface Timed {
  readonly name: string;
  /** For the trace: what kind of span it is. */
  readonly category:
    'data' | 'step' | 'call' | 'compile' | 'metrics' | 'validation' | 'checkpoint' | 'add-on';
  readonly details?: SpanDetails;
}

export class Profile {
  readonly #phases = new Map<string, Phase>();
  readonly #origin = performance.now();
  /** Null where only the phases are to be known. */
  readonly spans: SpanLog | null;

  constructor(kind: 'simple' | 'trace') {
    this.spans = kind === 'trace' ? new SpanLog() : null;
  }

  /** Runs `work` and adds its wall time to a phase. Phases do not nest; spans may begin and end in them. */
  async time<T>(phase: Timed, work: () => Promise<T> | T): Promise<T> {
    const from = performance.now();
    try {
      return await work();
    } finally {
      const to = performance.now();
      const known = this.#phases.get(phase.name) ?? { milliseconds: 0, calls: 0 };
      known.milliseconds += to - from;
      known.calls += 1;
      this.#phases.set(phase.name, known);
      this.#span(phase, from, to);
    }
  }

  /** Begins a span of the trace and returns what ends it. */
  begin(span: Timed): () => void {
    const from = performance.now();
    return () => this.#span(span, from, performance.now());
  }

  #span({ name, category, details = {} }: Timed, from: number, to: number): void {
    this.spans?.add(name, category, from - this.#origin, to - this.#origin, details);
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
