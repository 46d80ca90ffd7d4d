/** Generated from grammar/diagnostics.md by `node scripts/generate-messages.mjs`. Do not edit. */

import type { Diagnostic, DiagnosticDetails, Severity } from './diagnostic.js';
import type { Span } from './source.js';

/** Every code of the registry. */
export const codes: Readonly<Record<string, { readonly name: string; readonly severity: Severity }>> = {
  ZT1001: { name: 'unexpected_token', severity: 'error' },
  ZT1002: { name: 'unclosed_bracket', severity: 'error' },
  ZT1003: { name: 'stray_bracket', severity: 'error' },
  ZT1004: { name: 'single_quotes', severity: 'error' },
  ZT1005: { name: 'open_string', severity: 'error' },
  ZT1006: { name: 'foreign_operator', severity: 'error' },
  ZT1007: { name: 'wrong_arrow', severity: 'error' },
  ZT1008: { name: 'chained_comparison', severity: 'error' },
  ZT1009: { name: 'unknown_declaration', severity: 'error' },
  ZT1010: { name: 'foreign_word', severity: 'error' },
  ZT1011: { name: 'comma_between', severity: 'error' },
  ZT1012: { name: 'dotted_key', severity: 'error' },
  ZT1013: { name: 'colon_in_attribute', severity: 'error' },
  ZT1014: { name: 'missing_equals', severity: 'error' },
  ZT1015: { name: 'where_call', severity: 'error' },
  ZT1016: { name: 'hard_word', severity: 'error' },
  ZT1017: { name: 'operator_after_pipe', severity: 'error' },
  ZT1018: { name: 'pipe_target', severity: 'error' },
  ZT1019: { name: 'assignment', severity: 'error' },
  ZT1020: { name: 'record_after_config', severity: 'error' },
  ZT1021: { name: 'stray_statement', severity: 'error' },
  ZT1022: { name: 'colon_in_arguments', severity: 'error' },
  ZT1023: { name: 'bad_number', severity: 'error' },
  ZT1024: { name: 'bad_escape', severity: 'error' },
  ZT1025: { name: 'unknown_character', severity: 'error' },
  ZT1026: { name: 'hash_comment', severity: 'error' },
  ZT1027: { name: 'block_comment', severity: 'error' },
  ZT1028: { name: 'missing_return', severity: 'error' },
  ZT1029: { name: 'after_return', severity: 'error' },
  ZT1030: { name: 'if_parts', severity: 'error' },
  ZT1031: { name: 'else_if', severity: 'error' },
  ZT1032: { name: 'nested_too_deep', severity: 'error' },
  ZT1033: { name: 'too_many_errors', severity: 'error' },
  ZT1034: { name: 'incomplete_declaration', severity: 'error' },
  ZT1035: { name: 'unit_form', severity: 'error' },
  ZT1036: { name: 'huge_number', severity: 'error' },
  ZT1037: { name: 'trailing_comma', severity: 'error' },
  ZT1038: { name: 'single_equals', severity: 'error' },
  ZT1039: { name: 'if_operand', severity: 'error' },
  ZT1040: { name: 'equals_in_record', severity: 'error' },
  ZT1041: { name: 'field_without_value', severity: 'error' },
  ZT1042: { name: 'missing_type', severity: 'error' },
  ZT1043: { name: 'attribute_without_value', severity: 'error' },
  ZT1044: { name: 'unknown_statement', severity: 'error' },
  ZT1045: { name: 'step_input', severity: 'error' },
  ZT1046: { name: 'allow_form', severity: 'error' },
  ZT1047: { name: 'pipe_in_choice', severity: 'error' },
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
  ZT2013: { name: 'names_collide', severity: 'error' },
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
  ZT3113: { name: 'too_much_unrolled', severity: 'error' },
  ZT3201: { name: 'wrong_dtype', severity: 'error' },
  ZT3202: { name: 'wrong_unit', severity: 'error' },
  ZT3203: { name: 'wrong_type', severity: 'error' },
  ZT3204: { name: 'operator_types', severity: 'error' },
  ZT3205: { name: 'tensor_condition', severity: 'error' },
  ZT3206: { name: 'not_known', severity: 'error' },
  ZT3207: { name: 'missing_value', severity: 'error' },
  ZT3301: { name: 'default_breaks_where', severity: 'error' },
  ZT3302: { name: 'out_of_limits', severity: 'error' },
  ZT3303: { name: 'no_default', severity: 'error' },
  ZT4101: { name: 'unowned_weights', severity: 'error' },
  ZT4102: { name: 'owned_twice', severity: 'error' },
  ZT4103: { name: 'loss_reaches_nothing', severity: 'error' },
  ZT4104: { name: 'loss_not_scalar', severity: 'error' },
  ZT4105: { name: 'one_minimize', severity: 'error' },
  ZT4106: { name: 'update_not_here', severity: 'error' },
  ZT4107: { name: 'metric_not_scalar', severity: 'error' },
  ZT4108: { name: 'batch_figure', severity: 'error' },
  ZT4109: { name: 'metric_name_taken', severity: 'error' },
  ZT4110: { name: 'unmatched_pattern', severity: 'error' },
  ZT4111: { name: 'too_many_ways', severity: 'error' },
  ZT4112: { name: 'rename_form', severity: 'error' },
  ZT4115: { name: 'never_thawed', severity: 'error' },
  ZT4116: { name: 'gradient_of', severity: 'error' },
  ZT4117: { name: 'gradient_by', severity: 'error' },
  ZT4118: { name: 'gradient_of_nothing', severity: 'error' },
  ZT4119: { name: 'follows_nothing', severity: 'error' },
  ZT4201: { name: 'unknown_metric', severity: 'error' },
  ZT4202: { name: 'schedule_length', severity: 'error' },
  ZT4203: { name: 'run_length', severity: 'error' },
  ZT4204: { name: 'window_too_large', severity: 'error' },
  ZT4205: { name: 'missing_part', severity: 'error' },
  ZT4206: { name: 'effect_owned_twice', severity: 'error' },
  ZT4207: { name: 'literal_secret', severity: 'error' },
  ZT4208: { name: 'missing_column', severity: 'error' },
  ZT4209: { name: 'column_twice', severity: 'error' },
  ZT4211: { name: 'weights_go_on', severity: 'error' },
  ZT4212: { name: 'loaded_twice', severity: 'error' },
  ZT4213: { name: 'never_runs', severity: 'error' },
  ZT4220: { name: 'part_of_none', severity: 'error' },
  ZT4221: { name: 'not_for_live', severity: 'error' },
  ZT4222: { name: 'endless_epoch', severity: 'error' },
  ZT4223: { name: 'uneven_sets', severity: 'error' },
  ZT4224: { name: 'rows_beyond', severity: 'error' },
  ZT4301: { name: 'parts_not_whole', severity: 'error' },
  ZT4302: { name: 'split_twice', severity: 'error' },
  ZT4303: { name: 'parts_needed', severity: 'error' },
  ZT4304: { name: 'axis_fixed', severity: 'error' },
  ZT4900: { name: 'not_built', severity: 'error' },
  ZT5001: { name: 'unnamed_weights', severity: 'warning' },
  ZT5002: { name: 'unused', severity: 'warning' },
  ZT5003: { name: 'activation_before_loss', severity: 'warning' },
  ZT5004: { name: 'validates_on_training_data', severity: 'warning' },
  ZT5006: { name: 'head_width', severity: 'warning' },
  ZT5007: { name: 'random_evaluation', severity: 'warning' },
  ZT5008: { name: 'rows_meet', severity: 'warning' },
  ZT5009: { name: 'hides_builtin', severity: 'warning' },
  ZT5010: { name: 'allow_unknown', severity: 'warning' },
  ZT5015: { name: 'measures_held_out', severity: 'warning' },
  ZT5017: { name: 'file_not_there', severity: 'warning' },
  ZT5018: { name: 'flattened_order', severity: 'warning' },
  ZT5020: { name: 'idle_option', severity: 'warning' },
  ZT5021: { name: 'zero_rate', severity: 'warning' },
  ZT5022: { name: 'drops_rows', severity: 'warning' },
  ZT5023: { name: 'short_epoch', severity: 'warning' },
  ZT5024: { name: 'short_window', severity: 'warning' },
  ZT5025: { name: 'all_frozen', severity: 'warning' },
  ZT5026: { name: 'reads_changed', severity: 'warning' },
  ZT5027: { name: 'pick_elsewhere', severity: 'warning' },
  ZT5028: { name: 'runs_once', severity: 'warning' },
  ZT6001: { name: 'extern_disagrees', severity: 'error' },
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

/** ZT1002 unclosed_bracket: `{opener}` is never closed */
export const unclosedBracket = (
  span: Span,
  args: { readonly opener: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1002',
  severity: 'error',
  message: `\`${args.opener}\` is never closed`,
  span,
});

/** ZT1003 stray_bracket: `{closer}` closes nothing */
export const strayBracket = (
  span: Span,
  args: { readonly closer: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1003',
  severity: 'error',
  message: `\`${args.closer}\` closes nothing`,
  span,
});

/** ZT1004 single_quotes: a string stands in double quotes */
export const singleQuotes = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1004',
  severity: 'error',
  message: 'a string stands in double quotes',
  span,
});

/** ZT1005 open_string: this string has no end */
export const openString = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1005',
  severity: 'error',
  message: 'this string has no end',
  span,
});

/** ZT1006 foreign_operator: `{found}` is no operator of this language */
export const foreignOperator = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1006',
  severity: 'error',
  message: `\`${args.found}\` is no operator of this language`,
  span,
});

/** ZT1007 wrong_arrow: a result follows `->`, not `{found}` */
export const wrongArrow = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1007',
  severity: 'error',
  message: `a result follows \`->\`, not \`${args.found}\``,
  span,
});

/** ZT1008 chained_comparison: comparisons do not chain */
export const chainedComparison = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1008',
  severity: 'error',
  message: 'comparisons do not chain',
  span,
});

/** ZT1009 unknown_declaration: `{word}` starts no declaration */
export const unknownDeclaration = (
  span: Span,
  args: { readonly word: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1009',
  severity: 'error',
  message: `\`${args.word}\` starts no declaration`,
  span,
});

/** ZT1010 foreign_word: `{word}` is no word of this language */
export const foreignWord = (
  span: Span,
  args: { readonly word: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1010',
  severity: 'error',
  message: `\`${args.word}\` is no word of this language`,
  span,
});

/** ZT1011 comma_between: no comma stands between {parts} */
export const commaBetween = (
  span: Span,
  args: { readonly parts: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1011',
  severity: 'error',
  message: `no comma stands between ${args.parts}`,
  span,
});

/** ZT1012 dotted_key: `{key}` is no attribute's name */
export const dottedKey = (
  span: Span,
  args: { readonly key: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1012',
  severity: 'error',
  message: `\`${args.key}\` is no attribute's name`,
  span,
});

/** ZT1013 colon_in_attribute: an attribute takes `=`, not `:` */
export const colonInAttribute = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1013',
  severity: 'error',
  message: 'an attribute takes `=`, not `:`',
  span,
});

/** ZT1014 missing_equals: `{name}` has no `=` before its value */
export const missingEquals = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1014',
  severity: 'error',
  message: `\`${args.name}\` has no \`=\` before its value`,
  span,
});

/** ZT1015 where_call: `where` is no function */
export const whereCall = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1015',
  severity: 'error',
  message: '`where` is no function',
  span,
});

/** ZT1016 hard_word: `{word}` cannot be a name */
export const hardWord = (
  span: Span,
  args: { readonly word: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1016',
  severity: 'error',
  message: `\`${args.word}\` cannot be a name`,
  span,
});

/** ZT1017 operator_after_pipe: `{operator}` cannot follow a pipe */
export const operatorAfterPipe = (
  span: Span,
  args: { readonly operator: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1017',
  severity: 'error',
  message: `\`${args.operator}\` cannot follow a pipe`,
  span,
});

/** ZT1018 pipe_target: a pipe goes into a layer or function, not into {found} */
export const pipeTarget = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1018',
  severity: 'error',
  message: `a pipe goes into a layer or function, not into ${args.found}`,
  span,
});

/** ZT1019 assignment: `{name}` is given a value without `let` */
export const assignment = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1019',
  severity: 'error',
  message: `\`${args.name}\` is given a value without \`let\``,
  span,
});

/** ZT1020 record_after_config: the record type stands before the braces */
export const recordAfterConfig = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1020',
  severity: 'error',
  message: 'the record type stands before the braces',
  span,
});

/** ZT1021 stray_statement: `{word}` cannot stand in {place} */
export const strayStatement = (
  span: Span,
  args: { readonly word: string | number; readonly place: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1021',
  severity: 'error',
  message: `\`${args.word}\` cannot stand in ${args.place}`,
  span,
});

/** ZT1022 colon_in_arguments: an argument's name takes `=`, not `:` */
export const colonInArguments = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1022',
  severity: 'error',
  message: "an argument's name takes `=`, not `:`",
  span,
});

/** ZT1023 bad_number: `{found}` is no number */
export const badNumber = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1023',
  severity: 'error',
  message: `\`${args.found}\` is no number`,
  span,
});

/** ZT1024 bad_escape: `{found}` means nothing in a string */
export const badEscape = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1024',
  severity: 'error',
  message: `\`${args.found}\` means nothing in a string`,
  span,
});

/** ZT1025 unknown_character: character {found} has no meaning here */
export const unknownCharacter = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1025',
  severity: 'error',
  message: `character ${args.found} has no meaning here`,
  span,
});

/** ZT1026 hash_comment: a comment starts with `//`, not with `#` */
export const hashComment = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1026',
  severity: 'error',
  message: 'a comment starts with `//`, not with `#`',
  span,
});

/** ZT1027 block_comment: a comment ends with its line */
export const blockComment = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1027',
  severity: 'error',
  message: 'a comment ends with its line',
  span,
});

/** ZT1028 missing_return: this graph returns nothing */
export const missingReturn = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1028',
  severity: 'error',
  message: 'this graph returns nothing',
  span,
});

/** ZT1029 after_return: `{word}` stands behind `return` */
export const afterReturn = (
  span: Span,
  args: { readonly word: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1029',
  severity: 'error',
  message: `\`${args.word}\` stands behind \`return\``,
  span,
});

/** ZT1030 if_parts: expected `then`, found {found} */
export const missingThen = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1030',
  severity: 'error',
  message: `expected \`then\`, found ${args.found}`,
  span,
});

/** ZT1030 if_parts: expected `else`, found {found} */
export const missingElse = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1030',
  severity: 'error',
  message: `expected \`else\`, found ${args.found}`,
  span,
});

/** ZT1031 else_if: `{found}` does not continue an `if` */
export const elseIf = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1031',
  severity: 'error',
  message: `\`${args.found}\` does not continue an \`if\``,
  span,
});

/** ZT1032 nested_too_deep: more than {most} brackets, choices or operators in one another */
export const nestedTooDeep = (
  span: Span,
  args: { readonly most: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1032',
  severity: 'error',
  message: `more than ${args.most} brackets, choices or operators in one another`,
  span,
});

/** ZT1033 too_many_errors: more than {most} mistakes; the rest of the file is not reported */
export const tooManyErrors = (
  span: Span,
  args: { readonly most: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1033',
  severity: 'error',
  message: `more than ${args.most} mistakes; the rest of the file is not reported`,
  span,
});

/** ZT1034 incomplete_declaration: `{word}` breaks off before `{next}` */
export const incompleteDeclaration = (
  span: Span,
  args: { readonly word: string | number; readonly next: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1034',
  severity: 'error',
  message: `\`${args.word}\` breaks off before \`${args.next}\``,
  span,
});

/** ZT1035 unit_form: `{found}` is no number with a unit */
export const unitForm = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1035',
  severity: 'error',
  message: `\`${args.found}\` is no number with a unit`,
  span,
});

/** ZT1036 huge_number: `{found}` is too large for a number */
export const hugeNumber = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1036',
  severity: 'error',
  message: `\`${args.found}\` is too large for a number`,
  span,
});

/** ZT1037 trailing_comma: nothing follows this comma */
export const trailingComma = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1037',
  severity: 'error',
  message: 'nothing follows this comma',
  span,
});

/** ZT1038 single_equals: `=` does not compare */
export const singleEquals = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1038',
  severity: 'error',
  message: '`=` does not compare',
  span,
});

/** ZT1039 if_operand: `if` cannot stand behind an operator */
export const ifOperand = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1039',
  severity: 'error',
  message: '`if` cannot stand behind an operator',
  span,
});

/** ZT1040 equals_in_record: a field of a record takes `:`, not `=` */
export const equalsInRecord = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1040',
  severity: 'error',
  message: 'a field of a record takes `:`, not `=`',
  span,
});

/** ZT1041 field_without_value: field `{name}` has no value */
export const fieldWithoutValue = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1041',
  severity: 'error',
  message: `field \`${args.name}\` has no value`,
  span,
});

/** ZT1042 missing_type: `{name}` has no type */
export const missingType = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1042',
  severity: 'error',
  message: `\`${args.name}\` has no type`,
  span,
});

/** ZT1043 attribute_without_value: attribute `{name}` has no value */
export const attributeWithoutValue = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1043',
  severity: 'error',
  message: `attribute \`${args.name}\` has no value`,
  span,
});

/** ZT1044 unknown_statement: `{word}` starts no statement */
export const unknownStatement = (
  span: Span,
  args: { readonly word: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1044',
  severity: 'error',
  message: `\`${args.word}\` starts no statement`,
  span,
});

/** ZT1045 step_input: expected `in` behind `{name}`, found {found} */
export const stepInput = (
  span: Span,
  args: { readonly name: string | number; readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1045',
  severity: 'error',
  message: `expected \`in\` behind \`${args.name}\`, found ${args.found}`,
  span,
});

/** ZT1046 allow_form: `# allow` takes a code and a reason, found {found} */
export const allowForm = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT1046',
  severity: 'error',
  message: `\`# allow\` takes a code and a reason, found ${args.found}`,
  span,
});

/** ZT1047 pipe_in_choice: a pipe within `if` stands in parentheses */
export const pipeInChoice = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT1047',
  severity: 'error',
  message: 'a pipe within `if` stands in parentheses',
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

/** ZT2013 names_collide: `{name}` and `{other}` are one name in the generated trainer: `{both}` */
export const namesCollide = (
  span: Span,
  args: { readonly name: string | number; readonly other: string | number; readonly both: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT2013',
  severity: 'error',
  message: `\`${args.name}\` and \`${args.other}\` are one name in the generated trainer: \`${args.both}\``,
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

/** ZT3113 too_much_unrolled: {what} becomes more than {most} {unit} */
export const tooMuchUnrolled = (
  span: Span,
  args: { readonly what: string | number; readonly most: string | number; readonly unit: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3113',
  severity: 'error',
  message: `${args.what} becomes more than ${args.most} ${args.unit}`,
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

/** ZT3207 missing_value: {what} may be missing, and {use} needs it */
export const missingValue = (
  span: Span,
  args: { readonly what: string | number; readonly use: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT3207',
  severity: 'error',
  message: `${args.what} may be missing, and ${args.use} needs it`,
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

/** ZT4101 unowned_weights: no optimizer owns the weights of `{model}` */
export const unownedWeights = (
  span: Span,
  args: { readonly model: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4101',
  severity: 'error',
  message: `no optimizer owns the weights of \`${args.model}\``,
  span,
});

/** ZT4101 unowned_weights: no optimizer owns {weights} of `{model}` */
export const unownedPart = (
  span: Span,
  args: { readonly weights: string | number; readonly model: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4101',
  severity: 'error',
  message: `no optimizer owns ${args.weights} of \`${args.model}\``,
  span,
});

/** ZT4102 owned_twice: the weights of `{model}` have two owners, {first} and {second} */
export const ownedTwice = (
  span: Span,
  args: {
    readonly model: string | number;
    readonly first: string | number;
    readonly second: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4102',
  severity: 'error',
  message: `the weights of \`${args.model}\` have two owners, ${args.first} and ${args.second}`,
  span,
});

/** ZT4102 owned_twice: `of` of optimizer `{optimizer}` names `{model}` twice */
export const namedTwice = (
  span: Span,
  args: { readonly optimizer: string | number; readonly model: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4102',
  severity: 'error',
  message: `\`of\` of optimizer \`${args.optimizer}\` names \`${args.model}\` twice`,
  span,
});

/** ZT4103 loss_reaches_nothing: no gradient of the loss reaches the weights of {models}, which `{optimizer}` owns */
export const lossReachesNothing = (
  span: Span,
  args: { readonly models: string | number; readonly optimizer: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4103',
  severity: 'error',
  message: `no gradient of the loss reaches the weights of ${args.models}, which \`${args.optimizer}\` owns`,
  span,
});

/** ZT4104 loss_not_scalar: `minimize` needs one number, got {found} */
export const lossNotScalar = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4104',
  severity: 'error',
  message: `\`minimize\` needs one number, got ${args.found}`,
  span,
});

/** ZT4105 one_minimize: `update {name}` has {found} `minimize`, exactly one is needed */
export const oneMinimize = (
  span: Span,
  args: { readonly name: string | number; readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4105',
  severity: 'error',
  message: `\`update ${args.name}\` has ${args.found} \`minimize\`, exactly one is needed`,
  span,
});

/** ZT4106 update_not_here: `{statement}` {reason} */
export const updateNotHere = (
  span: Span,
  args: { readonly statement: string | number; readonly reason: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4106',
  severity: 'error',
  message: `\`${args.statement}\` ${args.reason}`,
  span,
});

/** ZT4107 metric_not_scalar: metric `{name}` needs one number, or a record of numbers, got {found} */
export const metricNotScalar = (
  span: Span,
  args: { readonly name: string | number; readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4107',
  severity: 'error',
  message: `metric \`${args.name}\` needs one number, or a record of numbers, got ${args.found}`,
  span,
});

/** ZT4108 batch_figure: metric `{name}` cannot be exact: {what} is a number of one batch, not of all rows */
export const batchFigure = (
  span: Span,
  args: { readonly name: string | number; readonly what: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4108',
  severity: 'error',
  message: `metric \`${args.name}\` cannot be exact: ${args.what} is a number of one batch, not of all rows`,
  span,
});

/** ZT4109 metric_name_taken: metric `{name}` cannot have this name: {reason} */
export const metricNameTaken = (
  span: Span,
  args: { readonly name: string | number; readonly reason: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4109',
  severity: 'error',
  message: `metric \`${args.name}\` cannot have this name: ${args.reason}`,
  span,
});

/** ZT4110 unmatched_pattern: `{pattern}` matches no weight of {models} */
export const unmatchedPattern = (
  span: Span,
  args: { readonly pattern: string | number; readonly models: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4110',
  severity: 'error',
  message: `\`${args.pattern}\` matches no weight of ${args.models}`,
  span,
});

/** ZT4111 too_many_ways: there are {found} ways through `step {name}`, more than {most} */
export const tooManyWays = (
  span: Span,
  args: { readonly found: string | number; readonly name: string | number; readonly most: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4111',
  severity: 'error',
  message: `there are ${args.found} ways through \`step ${args.name}\`, more than ${args.most}`,
  span,
});

/** ZT4112 rename_form: this renaming cannot be done: {problem} */
export const renameForm = (
  span: Span,
  args: { readonly problem: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4112',
  severity: 'error',
  message: `this renaming cannot be done: ${args.problem}`,
  span,
});

/** ZT4115 never_thawed: `freeze` lasts {length}, and the run {run} */
export const neverThawed = (
  span: Span,
  args: { readonly length: string | number; readonly run: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4115',
  severity: 'error',
  message: `\`freeze\` lasts ${args.length}, and the run ${args.run}`,
  span,
});

/** ZT4116 gradient_of: `gradient` needs {expected}, got {found} */
export const gradientOf = (
  span: Span,
  args: { readonly expected: string | number; readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4116',
  severity: 'error',
  message: `\`gradient\` needs ${args.expected}, got ${args.found}`,
  span,
});

/** ZT4117 gradient_by: `by` of `gradient` is computed here, so that nothing can depend on it */
export const gradientBy = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT4117',
  severity: 'error',
  message: '`by` of `gradient` is computed here, so that nothing can depend on it',
  span,
});

/** ZT4118 gradient_of_nothing: no gradient of `of` reaches `{name}` */
export const gradientOfNothing = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4118',
  severity: 'error',
  message: `no gradient of \`of\` reaches \`${args.name}\``,
  span,
});

/** ZT4119 follows_nothing: `{kind}` follows `{model}`, which nothing trains */
export const followsNothing = (
  span: Span,
  args: { readonly kind: string | number; readonly model: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4119',
  severity: 'error',
  message: `\`${args.kind}\` follows \`${args.model}\`, which nothing trains`,
  span,
});

/** ZT4201 unknown_metric: no step emits the metric `{name}` */
export const unknownMetric = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4201',
  severity: 'error',
  message: `no step emits the metric \`${args.name}\``,
  span,
});

/** ZT4202 schedule_length: schedule `{name}` takes {length}, the run has {run} */
export const scheduleTooLong = (
  span: Span,
  args: { readonly name: string | number; readonly length: string | number; readonly run: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4202',
  severity: 'error',
  message: `schedule \`${args.name}\` takes ${args.length}, the run has ${args.run}`,
  span,
});

/** ZT4202 schedule_length: nothing is left for the last phase of schedule `{name}` */
export const nothingLeft = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4202',
  severity: 'error',
  message: `nothing is left for the last phase of schedule \`${args.name}\``,
  span,
});

/** ZT4202 schedule_length: {length} of {owner} has no length: only `max_time` ends the run */
export const partWithoutEnd = (
  span: Span,
  args: { readonly length: string | number; readonly owner: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4202',
  severity: 'error',
  message: `${args.length} of ${args.owner} has no length: only \`max_time\` ends the run`,
  span,
});

/** ZT4202 schedule_length: `{phase}` of schedule `{name}` has no step: {length} is less than one */
export const phaseTooShort = (
  span: Span,
  args: { readonly phase: string | number; readonly name: string | number; readonly length: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4202',
  severity: 'error',
  message: `\`${args.phase}\` of schedule \`${args.name}\` has no step: ${args.length} is less than one`,
  span,
});

/** ZT4202 schedule_length: only the last phase of schedule `{name}` can take `rest` */
export const restNotLast = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4202',
  severity: 'error',
  message: `only the last phase of schedule \`${args.name}\` can take \`rest\``,
  span,
});

/** ZT4203 run_length: `{first}` and `{second}` exclude each other */
export const excludingOptions = (
  span: Span,
  args: { readonly first: string | number; readonly second: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4203',
  severity: 'error',
  message: `\`${args.first}\` and \`${args.second}\` exclude each other`,
  span,
});

/** ZT4203 run_length: the run has no end: none of `epochs`, `steps` and `max_time` is given */
export const noRunLength = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT4203',
  severity: 'error',
  message: 'the run has no end: none of `epochs`, `steps` and `max_time` is given',
  span,
});

/** ZT4203 run_length: `{least}` is {value}, more than the run has: {length} */
export const leastTooLong = (
  span: Span,
  args: {
    readonly least: string | number;
    readonly value: string | number;
    readonly length: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4203',
  severity: 'error',
  message: `\`${args.least}\` is ${args.value}, more than the run has: ${args.length}`,
  span,
});

/** ZT4204 window_too_large: `accumulate` is {accumulate}, but an epoch has {batches} */
export const windowTooLarge = (
  span: Span,
  args: { readonly accumulate: string | number; readonly batches: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4204',
  severity: 'error',
  message: `\`accumulate\` is ${args.accumulate}, but an epoch has ${args.batches}`,
  span,
});

/** ZT4204 window_too_large: an epoch of `{data}` has no batch */
export const noBatches = (
  span: Span,
  args: { readonly data: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4204',
  severity: 'error',
  message: `an epoch of \`${args.data}\` has no batch`,
  span,
});

/** ZT4205 missing_part: {what} */
export const missingPart = (
  span: Span,
  args: { readonly what: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4205',
  severity: 'error',
  message: `${args.what}`,
  span,
});

/** ZT4206 effect_owned_twice: {first} and {second} both own {effect} */
export const effectOwnedTwice = (
  span: Span,
  args: {
    readonly first: string | number;
    readonly second: string | number;
    readonly effect: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4206',
  severity: 'error',
  message: `${args.first} and ${args.second} both own ${args.effect}`,
  span,
});

/** ZT4206 effect_owned_twice: there are two add-ons `{name}` */
export const addonTwice = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4206',
  severity: 'error',
  message: `there are two add-ons \`${args.name}\``,
  span,
});

/** ZT4207 literal_secret: `{name}` is a secret, which is never written in a spec */
export const literalSecret = (
  span: Span,
  args: { readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4207',
  severity: 'error',
  message: `\`${args.name}\` is a secret, which is never written in a spec`,
  span,
});

/** ZT4208 missing_column: `{file}` has no column `{column}` */
export const missingColumn = (
  span: Span,
  args: { readonly file: string | number; readonly column: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4208',
  severity: 'error',
  message: `\`${args.file}\` has no column \`${args.column}\``,
  span,
});

/** ZT4209 column_twice: the header of `{file}` names column `{column}` twice */
export const columnTwice = (
  span: Span,
  args: { readonly file: string | number; readonly column: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4209',
  severity: 'error',
  message: `the header of \`${args.file}\` names column \`${args.column}\` twice`,
  span,
});

/** ZT4211 weights_go_on: a checkpoint of weights alone is nothing to go on from */
export const weightsGoOn = (span: Span, details: DiagnosticDetails = {}): Diagnostic => ({
  ...details,
  code: 'ZT4211',
  severity: 'error',
  message: 'a checkpoint of weights alone is nothing to go on from',
  span,
});

/** ZT4212 loaded_twice: {first} and {second} both load {weights} */
export const loadedTwice = (
  span: Span,
  args: {
    readonly first: string | number;
    readonly second: string | number;
    readonly weights: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4212',
  severity: 'error',
  message: `${args.first} and ${args.second} both load ${args.weights}`,
  span,
});

/** ZT4213 never_runs: the update of {name} runs {times} */
export const neverRuns = (
  span: Span,
  args: { readonly name: string | number; readonly times: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4213',
  severity: 'error',
  message: `the update of ${args.name} runs ${args.times}`,
  span,
});

/** ZT4220 part_of_none: `{option}` takes none of the {batches} of `{data}` */
export const partOfNone = (
  span: Span,
  args: {
    readonly option: string | number;
    readonly batches: string | number;
    readonly data: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4220',
  severity: 'error',
  message: `\`${args.option}\` takes none of the ${args.batches} of \`${args.data}\``,
  span,
});

/** ZT4221 not_for_live: {what} does not fit live data (`{data}`) */
export const notForLive = (
  span: Span,
  args: { readonly what: string | number; readonly data: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4221',
  severity: 'error',
  message: `${args.what} does not fit live data (\`${args.data}\`)`,
  span,
});

/** ZT4222 endless_epoch: {what} is of epochs, and live data (`{data}`) has none */
export const endlessEpoch = (
  span: Span,
  args: { readonly what: string | number; readonly data: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4222',
  severity: 'error',
  message: `${args.what} is of epochs, and live data (\`${args.data}\`) has none`,
  span,
});

/** ZT4223 uneven_sets: `{step}` reads data sets of different length together: {lengths} */
export const unevenSets = (
  span: Span,
  args: { readonly step: string | number; readonly lengths: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4223',
  severity: 'error',
  message: `\`${args.step}\` reads data sets of different length together: ${args.lengths}`,
  span,
});

/** ZT4224 rows_beyond: `rows_of` takes {count} from row {from} on, but {what} has {rows} */
export const rowsBeyond = (
  span: Span,
  args: {
    readonly count: string | number;
    readonly from: string | number;
    readonly what: string | number;
    readonly rows: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4224',
  severity: 'error',
  message: `\`rows_of\` takes ${args.count} from row ${args.from} on, but ${args.what} has ${args.rows}`,
  span,
});

/** ZT4301 parts_not_whole: the parts are {found} percent of the rows together, not 100 */
export const partsNotWhole = (
  span: Span,
  args: { readonly found: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4301',
  severity: 'error',
  message: `the parts are ${args.found} percent of the rows together, not 100`,
  span,
});

/** ZT4302 split_twice: `{name}` is said of `{base}`, whose rows are shared out once */
export const splitTwice = (
  span: Span,
  args: { readonly name: string | number; readonly base: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4302',
  severity: 'error',
  message: `\`${args.name}\` is said of \`${args.base}\`, whose rows are shared out once`,
  span,
});

/** ZT4303 parts_needed: `{name}` says something of parts, and `{owner}` has none */
export const partsNeeded = (
  span: Span,
  args: { readonly name: string | number; readonly owner: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4303',
  severity: 'error',
  message: `\`${args.name}\` says something of parts, and \`${args.owner}\` has none`,
  span,
});

/** ZT4304 axis_fixed: `{name}` cannot be swept: {reason} */
export const axisFixed = (
  span: Span,
  args: { readonly name: string | number; readonly reason: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT4304',
  severity: 'error',
  message: `\`${args.name}\` cannot be swept: ${args.reason}`,
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

/** ZT5001 unnamed_weights: the weights of this {kind} have no name of their own */
export const unnamedWeights = (
  span: Span,
  args: { readonly kind: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5001',
  severity: 'warning',
  message: `the weights of this ${args.kind} have no name of their own`,
  span,
});

/** ZT5002 unused: {kind} `{name}` is never used */
export const unused = (
  span: Span,
  args: { readonly kind: string | number; readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5002',
  severity: 'warning',
  message: `${args.kind} \`${args.name}\` is never used`,
  span,
});

/** ZT5003 activation_before_loss: `{loss}` takes logits, and gets the result of `{activation}` */
export const activationBeforeLoss = (
  span: Span,
  args: { readonly loss: string | number; readonly activation: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5003',
  severity: 'warning',
  message: `\`${args.loss}\` takes logits, and gets the result of \`${args.activation}\``,
  span,
});

/** ZT5004 validates_on_training_data: `{step}` reads the rows that the model is trained on */
export const validatesOnTrainingData = (
  span: Span,
  args: { readonly step: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5004',
  severity: 'warning',
  message: `\`${args.step}\` reads the rows that the model is trained on`,
  span,
});

/** ZT5004 validates_on_training_data: `{step}` reads rows that the model is trained on */
export const validationOverlaps = (
  span: Span,
  args: { readonly step: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5004',
  severity: 'warning',
  message: `\`${args.step}\` reads rows that the model is trained on`,
  span,
});

/** ZT5006 head_width: the logits have {width} classes, the labels {classes} */
export const headWidth = (
  span: Span,
  args: { readonly width: string | number; readonly classes: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5006',
  severity: 'warning',
  message: `the logits have ${args.width} classes, the labels ${args.classes}`,
  span,
});

/** ZT5007 random_evaluation: `{step}` reads rows that `{name}` changes at random */
export const randomEvaluation = (
  span: Span,
  args: { readonly step: string | number; readonly name: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5007',
  severity: 'warning',
  message: `\`${args.step}\` reads rows that \`${args.name}\` changes at random`,
  span,
});

/** ZT5008 rows_meet: rows of the batch meet in {what}, and only those of one batch of a window */
export const rowsMeet = (
  span: Span,
  args: { readonly what: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5008',
  severity: 'warning',
  message: `rows of the batch meet in ${args.what}, and only those of one batch of a window`,
  span,
});

/** ZT5009 hides_builtin: `{name}` hides {kind} `{name}` of the standard library */
export const hidesBuiltin = (
  span: Span,
  args: { readonly name: string | number; readonly kind: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5009',
  severity: 'warning',
  message: `\`${args.name}\` hides ${args.kind} \`${args.name}\` of the standard library`,
  span,
});

/** ZT5010 allow_unknown: {problem} */
export const allowUnknown = (
  span: Span,
  args: { readonly problem: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5010',
  severity: 'warning',
  message: `${args.problem}`,
  span,
});

/** ZT5015 measures_held_out: `{step}` measures rows that `{other}` holds the model against */
export const measuresHeldOut = (
  span: Span,
  args: { readonly step: string | number; readonly other: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5015',
  severity: 'warning',
  message: `\`${args.step}\` measures rows that \`${args.other}\` holds the model against`,
  span,
});

/** ZT5017 file_not_there: there is no {what} {path} */
export const fileNotThere = (
  span: Span,
  args: { readonly what: string | number; readonly path: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5017',
  severity: 'warning',
  message: `there is no ${args.what} ${args.path}`,
  span,
});

/** ZT5018 flattened_order: `{layer}` reads the values of an image in another order than in PyTorch */
export const flattenedOrder = (
  span: Span,
  args: { readonly layer: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5018',
  severity: 'warning',
  message: `\`${args.layer}\` reads the values of an image in another order than in PyTorch`,
  span,
});

/** ZT5020 idle_option: `{option}` changes nothing: {reason} */
export const idleOption = (
  span: Span,
  args: { readonly option: string | number; readonly reason: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5020',
  severity: 'warning',
  message: `\`${args.option}\` changes nothing: ${args.reason}`,
  span,
});

/** ZT5021 zero_rate: the learning rate of {owner} is 0 {time}: nothing is trained then */
export const zeroRate = (
  span: Span,
  args: { readonly owner: string | number; readonly time: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5021',
  severity: 'warning',
  message: `the learning rate of ${args.owner} is 0 ${args.time}: nothing is trained then`,
  span,
});

/** ZT5022 drops_rows: `{step}` leaves out {rows} of `{data}` */
export const dropsRows = (
  span: Span,
  args: { readonly step: string | number; readonly rows: string | number; readonly data: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5022',
  severity: 'warning',
  message: `\`${args.step}\` leaves out ${args.rows} of \`${args.data}\``,
  span,
});

/** ZT5023 short_epoch: an epoch of `{step}` ends with its shortest data set: {lengths} */
export const shortEpoch = (
  span: Span,
  args: { readonly step: string | number; readonly lengths: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5023',
  severity: 'warning',
  message: `an epoch of \`${args.step}\` ends with its shortest data set: ${args.lengths}`,
  span,
});

/** ZT5024 short_window: an epoch has {windows}, the last has {left} of {accumulate} batches */
export const shortWindow = (
  span: Span,
  args: {
    readonly windows: string | number;
    readonly left: string | number;
    readonly accumulate: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5024',
  severity: 'warning',
  message: `an epoch has ${args.windows}, the last has ${args.left} of ${args.accumulate} batches`,
  span,
});

/** ZT5025 all_frozen: all weights of `{optimizer}` are frozen for the whole run: its updates change nothing */
export const allFrozen = (
  span: Span,
  args: { readonly optimizer: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5025',
  severity: 'warning',
  message: `all weights of \`${args.optimizer}\` are frozen for the whole run: its updates change nothing`,
  span,
});

/** ZT5026 reads_changed: `update {update}` reads {weights}, changed earlier in the step: only the last batch of a window sees that */
export const readsChanged = (
  span: Span,
  args: { readonly update: string | number; readonly weights: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5026',
  severity: 'warning',
  message: `\`update ${args.update}\` reads ${args.weights}, changed earlier in the step: only the last batch of a window sees that`,
  span,
});

/** ZT5027 pick_elsewhere: `{pick}` is not measured after step {step}, where `{best}` is and the run may have its best checkpoint */
export const pickElsewhere = (
  span: Span,
  args: { readonly pick: string | number; readonly step: string | number; readonly best: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5027',
  severity: 'warning',
  message: `\`${args.pick}\` is not measured after step ${args.step}, where \`${args.best}\` is and the run may have its best checkpoint`,
  span,
});

/** ZT5028 runs_once: `{step}` comes once, at the end of the run: every {every} is more than its {run} */
export const runsOnce = (
  span: Span,
  args: { readonly step: string | number; readonly every: string | number; readonly run: string | number },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT5028',
  severity: 'warning',
  message: `\`${args.step}\` comes once, at the end of the run: every ${args.every} is more than its ${args.run}`,
  span,
});

/** ZT6001 extern_disagrees: {kind} `{name}` is not what {module} exports: {problem} */
export const externDisagrees = (
  span: Span,
  args: {
    readonly kind: string | number;
    readonly name: string | number;
    readonly module: string | number;
    readonly problem: string | number;
  },
  details: DiagnosticDetails = {},
): Diagnostic => ({
  ...details,
  code: 'ZT6001',
  severity: 'error',
  message: `${args.kind} \`${args.name}\` is not what ${args.module} exports: ${args.problem}`,
  span,
});
