/** Generated from grammar/diagnostics.md by `node scripts/generate-messages.mjs`. Do not edit. */

import type { Diagnostic, DiagnosticDetails, Severity } from './diagnostic.js';
import type { Span } from './source.js';

/** Every code of the registry. */
export const codes: Readonly<Record<string, { readonly name: string; readonly severity: Severity }>> = {
  ZT1001: { name: 'unexpected_token', severity: 'error' },
  ZT2001: { name: 'unknown_name', severity: 'error' },
  ZT2002: { name: 'unknown_attribute', severity: 'error' },
  ZT2003: { name: 'unknown_field', severity: 'error' },
  ZT2004: { name: 'missing_argument', severity: 'error' },
  ZT2005: { name: 'too_many_arguments', severity: 'error' },
  ZT2006: { name: 'wrong_kind', severity: 'error' },
  ZT2007: { name: 'block_called', severity: 'error' },
  ZT2010: { name: 'shadowing', severity: 'error' },
  ZT2011: { name: 'duplicate_key', severity: 'error' },
  ZT2012: { name: 'duplicate_weights', severity: 'error' },
  ZT2020: { name: 'import_cycle', severity: 'error' },
  ZT2021: { name: 'not_exported', severity: 'error' },
  ZT2022: { name: 'not_importable', severity: 'error' },
  ZT2030: { name: 'file_missing', severity: 'error' },
  ZT2031: { name: 'outside_root', severity: 'error' },
  ZT3101: { name: 'wrong_rank', severity: 'error' },
  ZT3102: { name: 'wrong_size', severity: 'error' },
  ZT3103: { name: 'reshape_count', severity: 'error' },
  ZT3104: { name: 'not_whole', severity: 'error' },
  ZT3105: { name: 'wrong_result', severity: 'error' },
  ZT3106: { name: 'too_many_positions', severity: 'error' },
  ZT3107: { name: 'bad_axis', severity: 'error' },
  ZT3108: { name: 'weights_hold_batch', severity: 'error' },
  ZT3109: { name: 'assert_fails', severity: 'error' },
  ZT3110: { name: 'branches_differ', severity: 'error' },
  ZT3111: { name: 'repeat_changes_shape', severity: 'error' },
  ZT3112: { name: 'rest_in_block', severity: 'error' },
  ZT3201: { name: 'wrong_dtype', severity: 'error' },
  ZT3202: { name: 'wrong_unit', severity: 'error' },
  ZT3203: { name: 'wrong_type', severity: 'error' },
  ZT3204: { name: 'operator_types', severity: 'error' },
  ZT3205: { name: 'tensor_condition', severity: 'error' },
  ZT3206: { name: 'not_known', severity: 'error' },
  ZT3301: { name: 'default_breaks_where', severity: 'error' },
  ZT3302: { name: 'out_of_limits', severity: 'error' },
  ZT3303: { name: 'no_default', severity: 'error' },
  ZT4900: { name: 'not_built', severity: 'error' },
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

/** ZT2001 unknown_name: unknown {kind} `{name}` */
export const unknownName = (
  span: Span,
  args: { readonly kind: string | number; readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2001',
  severity: 'error',
  message: `unknown ${args.kind} \`${args.name}\``,
  span,
});

/** ZT2002 unknown_attribute: unknown {kind} `{name}` of `{owner}` */
export const unknownAttribute = (
  span: Span,
  args: { readonly kind: string | number; readonly name: string | number; readonly owner: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2002',
  severity: 'error',
  message: `unknown ${args.kind} \`${args.name}\` of \`${args.owner}\``,
  span,
});

/** ZT2003 unknown_field: no field `{name}` in {owner} */
export const unknownField = (
  span: Span,
  args: { readonly name: string | number; readonly owner: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2003',
  severity: 'error',
  message: `no field \`${args.name}\` in ${args.owner}`,
  span,
});

/** ZT2004 missing_argument: `{owner}` needs {kind} `{name}` */
export const missingArgument = (
  span: Span,
  args: { readonly owner: string | number; readonly kind: string | number; readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2004',
  severity: 'error',
  message: `\`${args.owner}\` needs ${args.kind} \`${args.name}\``,
  span,
});

/** ZT2005 too_many_arguments: `{owner}` takes {expected}, got {found} */
export const tooManyArguments = (
  span: Span,
  args: {
    readonly owner: string | number;
    readonly expected: string | number;
    readonly found: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2005',
  severity: 'error',
  message: `\`${args.owner}\` takes ${args.expected}, got ${args.found}`,
  span,
});

/** ZT2006 wrong_kind: `{name}` is {found}, but {expected} is needed here */
export const wrongKind = (
  span: Span,
  args: {
    readonly name: string | number;
    readonly found: string | number;
    readonly expected: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2006',
  severity: 'error',
  message: `\`${args.name}\` is ${args.found}, but ${args.expected} is needed here`,
  span,
});

/** ZT2007 block_called: {kind} `{name}` is applied with `|>`, not called with its inputs */
export const blockCalled = (
  span: Span,
  args: { readonly kind: string | number; readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2007',
  severity: 'error',
  message: `${args.kind} \`${args.name}\` is applied with \`|>\`, not called with its inputs`,
  span,
});

/** ZT2010 shadowing: `{name}` is already declared */
export const shadowing = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2010',
  severity: 'error',
  message: `\`${args.name}\` is already declared`,
  span,
});

/** ZT2011 duplicate_key: `{name}` is given twice */
export const duplicateKey = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2011',
  severity: 'error',
  message: `\`${args.name}\` is given twice`,
  span,
});

/** ZT2012 duplicate_weights: weights `{name}` are named twice in {owner} */
export const duplicateWeights = (
  span: Span,
  args: { readonly name: string | number; readonly owner: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2012',
  severity: 'error',
  message: `weights \`${args.name}\` are named twice in ${args.owner}`,
  span,
});

/** ZT2020 import_cycle: import cycle: {path} */
export const importCycle = (
  span: Span,
  args: { readonly path: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2020',
  severity: 'error',
  message: `import cycle: ${args.path}`,
  span,
});

/** ZT2021 not_exported: {file} declares no `{name}` */
export const notExported = (
  span: Span,
  args: { readonly file: string | number; readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2021',
  severity: 'error',
  message: `${args.file} declares no \`${args.name}\``,
  span,
});

/** ZT2022 not_importable: `{name}` is {kind}, which can't be imported */
export const notImportable = (
  span: Span,
  args: { readonly name: string | number; readonly kind: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2022',
  severity: 'error',
  message: `\`${args.name}\` is ${args.kind}, which can't be imported`,
  span,
});

/** ZT2030 file_missing: can't read {kind} {file}: {reason} */
export const fileMissing = (
  span: Span,
  args: { readonly kind: string | number; readonly file: string | number; readonly reason: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2030',
  severity: 'error',
  message: `can't read ${args.kind} ${args.file}: ${args.reason}`,
  span,
});

/** ZT2031 outside_root: {kind} {file} lies outside the project's folder */
export const outsideRoot = (
  span: Span,
  args: { readonly kind: string | number; readonly file: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2031',
  severity: 'error',
  message: `${args.kind} ${args.file} lies outside the project's folder`,
  span,
});

/** ZT3101 wrong_rank: {what} has {found} axes, {expected} expected */
export const wrongRank = (
  span: Span,
  args: {
    readonly what: string | number;
    readonly found: string | number;
    readonly expected: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3101',
  severity: 'error',
  message: `${args.what} has ${args.found} axes, ${args.expected} expected`,
  span,
});

/** ZT3102 wrong_size: {what} is {found}, {expected} expected */
export const wrongSize = (
  span: Span,
  args: {
    readonly what: string | number;
    readonly found: string | number;
    readonly expected: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3102',
  severity: 'error',
  message: `${args.what} is ${args.found}, ${args.expected} expected`,
  span,
});

/** ZT3103 reshape_count: reshape changes the number of values */
export const reshapeCount = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT3103',
  severity: 'error',
  message: 'reshape changes the number of values',
  span,
});

/** ZT3104 not_whole: `{size}` is not always whole: {witness} */
export const notWhole = (
  span: Span,
  args: { readonly size: string | number; readonly witness: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3104',
  severity: 'error',
  message: `\`${args.size}\` is not always whole: ${args.witness}`,
  span,
});

/** ZT3105 wrong_result: `{name}` gives {found}, its signature says {expected} */
export const wrongResult = (
  span: Span,
  args: {
    readonly name: string | number;
    readonly found: string | number;
    readonly expected: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3105',
  severity: 'error',
  message: `\`${args.name}\` gives ${args.found}, its signature says ${args.expected}`,
  span,
});

/** ZT3106 too_many_positions: indices go up to {highest}, the table has {count} rows */
export const tooManyPositions = (
  span: Span,
  args: { readonly highest: string | number; readonly count: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3106',
  severity: 'error',
  message: `indices go up to ${args.highest}, the table has ${args.count} rows`,
  span,
});

/** ZT3107 bad_axis: axis {axis} of {what}, which has {rank} axes */
export const badAxis = (
  span: Span,
  args: { readonly axis: string | number; readonly what: string | number; readonly rank: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3107',
  severity: 'error',
  message: `axis ${args.axis} of ${args.what}, which has ${args.rank} axes`,
  span,
});

/** ZT3108 weights_hold_batch: the shape of weights `{name}` depends on the batch's size `{size}` */
export const weightsHoldBatch = (
  span: Span,
  args: { readonly name: string | number; readonly size: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3108',
  severity: 'error',
  message: `the shape of weights \`${args.name}\` depends on the batch's size \`${args.size}\``,
  span,
});

/** ZT3109 assert_fails: `assert {text}` does not hold{where} */
export const assertFails = (
  span: Span,
  args: { readonly text: string | number; readonly where: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3109',
  severity: 'error',
  message: `\`assert ${args.text}\` does not hold${args.where}`,
  span,
});

/** ZT3110 branches_differ: the branches of `if` give {left} and {right} */
export const branchesDiffer = (
  span: Span,
  args: { readonly left: string | number; readonly right: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3110',
  severity: 'error',
  message: `the branches of \`if\` give ${args.left} and ${args.right}`,
  span,
});

/** ZT3111 repeat_changes_shape: a turn of `repeat` changes {before} to {after}, but its count is not a constant */
export const repeatChangesShape = (
  span: Span,
  args: { readonly before: string | number; readonly after: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3111',
  severity: 'error',
  message: `a turn of \`repeat\` changes ${args.before} to ${args.after}, but its count is not a constant`,
  span,
});

/** ZT3112 rest_in_block: the inputs of {kind} `{name}` need a fixed number of axes */
export const restInBlock = (
  span: Span,
  args: { readonly kind: string | number; readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3112',
  severity: 'error',
  message: `the inputs of ${args.kind} \`${args.name}\` need a fixed number of axes`,
  span,
});

/** ZT3201 wrong_dtype: {what} holds {found}, {expected} expected */
export const wrongDtype = (
  span: Span,
  args: {
    readonly what: string | number;
    readonly found: string | number;
    readonly expected: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3201',
  severity: 'error',
  message: `${args.what} holds ${args.found}, ${args.expected} expected`,
  span,
});

/** ZT3202 wrong_unit: {what} is {found}, {expected} expected */
export const wrongUnit = (
  span: Span,
  args: {
    readonly what: string | number;
    readonly found: string | number;
    readonly expected: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3202',
  severity: 'error',
  message: `${args.what} is ${args.found}, ${args.expected} expected`,
  span,
});

/** ZT3203 wrong_type: {what} is {found}, {expected} expected */
export const wrongType = (
  span: Span,
  args: {
    readonly what: string | number;
    readonly found: string | number;
    readonly expected: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3203',
  severity: 'error',
  message: `${args.what} is ${args.found}, ${args.expected} expected`,
  span,
});

/** ZT3204 operator_types: `{op}` between {left} and {right} */
export const operatorTypes = (
  span: Span,
  args: { readonly op: string | number; readonly left: string | number; readonly right: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3204',
  severity: 'error',
  message: `\`${args.op}\` between ${args.left} and ${args.right}`,
  span,
});

/** ZT3205 tensor_condition: the condition of `if` is a tensor, which is not known before the run */
export const tensorCondition = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT3205',
  severity: 'error',
  message: 'the condition of `if` is a tensor, which is not known before the run',
  span,
});

/** ZT3206 not_known: {what} must be known before the run, but `{name}` is not */
export const notKnown = (
  span: Span,
  args: { readonly what: string | number; readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3206',
  severity: 'error',
  message: `${args.what} must be known before the run, but \`${args.name}\` is not`,
  span,
});

/** ZT3301 default_breaks_where: the default of `{name}`, {value}, breaks its own `where {text}` */
export const defaultBreaksWhere = (
  span: Span,
  args: { readonly name: string | number; readonly value: string | number; readonly text: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3301',
  severity: 'error',
  message: `the default of \`${args.name}\`, ${args.value}, breaks its own \`where ${args.text}\``,
  span,
});

/** ZT3302 out_of_limits: {what} is {value}, but `{text}` must hold */
export const outOfLimits = (
  span: Span,
  args: { readonly what: string | number; readonly value: string | number; readonly text: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3302',
  severity: 'error',
  message: `${args.what} is ${args.value}, but \`${args.text}\` must hold`,
  span,
});

/** ZT3303 no_default: `{kind}` params of {owner} need a default */
export const noDefault = (
  span: Span,
  args: { readonly kind: string | number; readonly owner: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3303',
  severity: 'error',
  message: `\`${args.kind}\` params of ${args.owner} need a default`,
  span,
});

/** ZT4900 not_built: {what} is not built yet */
export const notBuilt = (
  span: Span,
  args: { readonly what: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4900',
  severity: 'error',
  message: `${args.what} is not built yet`,
  span,
});
