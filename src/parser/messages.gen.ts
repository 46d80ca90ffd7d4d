/** Generated from grammar/diagnostics.md by `node scripts/generate-messages.mjs`. Do not edit. */

import type { Diagnostic, DiagnosticDetails, Severity } from './diagnostic.js';
import type { Span } from './source.js';

/** Every code of the registry. */
export const codes: Readonly<Record<string, { readonly name: string; readonly severity: Severity }>> = {
  ZT1001: { name: 'unexpected_token', severity: 'error' },
};

/** ZT1001 unexpected_token: expected {expected}, found {found} */
export const unexpectedToken = (
  span: Span,
  args: { readonly expected: string | number; readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1001',
  severity: 'error',
  message: `expected ${args.expected}, found ${args.found}`,
  span,
});
