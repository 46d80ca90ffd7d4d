/**
 * Spans of a run's time as a Chrome trace: the JSON of trace events that chrome://tracing and Perfetto load (Google, "Trace event
 * format"). Kept in memory and bounded: the first spans, which compile, and the newest ones, for what a long run has come to.
 */

/** What a span says besides its name. */
export type SpanDetails = Readonly<Record<string, number | string>>;

interface Span {
  readonly name: string;
  readonly category: string;
  /** Whole microseconds: rounded alike, spans that nest go on nesting. */
  readonly from: number;
  readonly to: number;
  readonly details: SpanDetails;
}

/** So many spans of the start and so many of the end are kept: together some 15 MB of text. */
const firstKept = 50_000;
const newestKept = 50_000;

export class SpanLog {
  readonly #first: Span[] = [];
  /** A ring; the place of the next span is `#added` modulo its size. */
  readonly #newest: Span[] = [];
  #added = 0;

  constructor(
    private readonly mostFirst = firstKept,
    private readonly mostNewest = newestKept,
  ) {}

  /** Times are milliseconds since one origin. */
  add(name: string, category: string, from: number, to: number, details: SpanDetails): void {
    const span = { name, category, from: Math.round(1000 * from), to: Math.round(1000 * to), details };
    if (this.#first.length < this.mostFirst) this.#first.push(span);
    else this.#newest[this.#added++ % this.mostNewest] = span;
  }

  get count(): number {
    return this.#first.length + this.#newest.length;
  }

  /** How many spans between the first and the newest are not kept. */
  get leftOut(): number {
    return this.#added - this.#newest.length;
  }

  /** The file's text: an event a line. `process` names the run, `about` is kept beside the events. */
  text(process: string, about: SpanDetails): string {
    const named = (what: string, name: string) => ({
      name: what,
      ph: 'M',
      pid: 1,
      tid: 1,
      args: { name },
    });
    const gap = this.#newest.reduce((least, { from }) => Math.min(least, from), Number.POSITIVE_INFINITY);
    const events = [
      named('process_name', process),
      named('thread_name', 'the run'),
      ...(this.leftOut === 0
        ? []
        : [
            {
              name: `${this.leftOut} spans are left out before here`,
              ph: 'i',
              s: 'g',
              pid: 1,
              tid: 1,
              ts: gap,
            },
          ]),
      // What encloses comes before what it encloses.
      ...[...this.#first, ...this.#newest]
        .sort((a, b) => a.from - b.from || b.to - a.to)
        .map(({ name, category, from, to, details }) => ({
          name,
          cat: category,
          ph: 'X',
          pid: 1,
          tid: 1,
          ts: from,
          dur: to - from,
          ...(Object.keys(details).length === 0 ? {} : { args: details }),
        })),
    ];
    const lines = events.map((event) => JSON.stringify(event)).join(',\n');
    const other = JSON.stringify({ ...about, spans: this.count, leftOut: this.leftOut });
    return `{"displayTimeUnit":"ms","otherData":${other},"traceEvents":[\n${lines}\n]}\n`;
  }
}
