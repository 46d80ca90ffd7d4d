/** What a phase says about a spec. The typed constructors, one a code, are generated into `messages.gen.ts`. */
import type { Span } from './source.js';

export type Severity = 'error' | 'warning';

/** A second place that explains the first, with the words shown under it. */
export interface Related {
  readonly span: Span;
  readonly label: string;
}

/** A change of text that mends the mistake: each edit replaces `span` by `text`. */
export interface Fix {
  readonly title: string;
  readonly edits: readonly { readonly span: Span; readonly text: string }[];
}

/** What a caller may add to a code's own message. */
export interface DiagnosticDetails {
  /** Words shown under the main span. */
  readonly label?: string;
  readonly related?: readonly Related[];
  /** Facts: each is printed as `= note: …`. */
  readonly notes?: readonly string[];
  /** What to do: printed as `= help: …`. The only part of a diagnostic that says so. */
  readonly help?: string;
  readonly fix?: Fix;
}

export interface Diagnostic extends DiagnosticDetails {
  /** `ZT` and four digits. Never reused for another meaning. */
  readonly code: string;
  readonly severity: Severity;
  /** Lower case, stands alone, no full stop. */
  readonly message: string;
  readonly span: Span;
}

export const hasErrors = (diagnostics: readonly Diagnostic[]): boolean =>
  diagnostics.some((each) => each.severity === 'error');
