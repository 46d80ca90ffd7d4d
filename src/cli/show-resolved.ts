/** `show --resolved`: params and options as the run has them, all defaults filled in; read from the spec's own text. */
import type { Checked } from '../checker/check.js';
import { evaluateIr } from '../checker/evaluate.js';
import type { IrExpr, IrNamed, IrTrainer } from '../checker/ir.js';
import { loadPrelude, settingList, type Builtin } from '../checker/prelude.js';
import { textOf, type SourceFile, type Span } from '../parser/source.js';
import { showValue } from '../values/overrides.js';
import { showQuantity } from '../values/units.js';
import type { Settings } from './settings.js';
import type { SpecFile } from './specs.js';

export const resolvedLines = (
  _spec: SpecFile,
  checked: Checked,
  _trainer: IrTrainer,
  { trainer, names, given }: Settings,
): readonly string[] => {
  const prelude = loadPrelude();
  const sources: readonly SourceFile[] = [...checked.files, prelude.file.source];
  const written = (span: Span): string => {
    const file = sources.find(({ id }) => id === span.file);
    return file === undefined ? '?' : textOf(file, span).replace(/\s+/g, ' ');
  };
  const text = (expr: IrExpr): string => {
    if (expr.kind === 'rest') return 'rest';
    if (expr.kind === 'record')
      return `{ ${expr.fields.map(({ name, value }) => `${name}: ${text(value)}`).join(', ')} }`;
    const value = evaluateIr(expr, names);
    if (value === undefined) return written(expr.span);
    if (expr.kind !== 'quantity' || typeof value !== 'number') return showValue(value);
    const unit = expr.unit === 'seconds' ? 'time' : expr.unit;
    return showQuantity({ unit, value }).replace(' ', '.');
  };
  const defaults = (builtin: Builtin | null, options: readonly IrNamed[]): readonly string[] => {
    const later = builtin === null ? [] : settingList(builtin, 'later');
    const known = new Set(options.map(({ name }) => name));
    return (builtin?.params ?? []).flatMap(({ name, value }) =>
      known.has(name.text) || later.includes(name.text) || value === null
        ? []
        : [`  ${name.text} = ${written(value.span)}  // default`],
    );
  };
  const body = (options: readonly IrNamed[]): readonly string[] =>
    options.map(({ name, value }) => `  ${name} = ${text(value)}`);
  const block = (head: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [`${head} {}`] : [`${head} {`, ...lines, '}'];
  return [
    ...trainer.params.map(({ name }) => {
      const value = names.params.get(name);
      return value === undefined
        ? `param ${name}  // required`
        : `param ${name} = ${showValue(value)}${given.has(name) ? '  // given' : ''}`;
    }),
    ...trainer.data.flatMap(({ name, source, arguments: own, options }) => {
      const builtin = source.kind === 'prelude' ? prelude.find('data', source.name) : null;
      return block(`data ${name} = ${source.name}`, [
        ...body(own),
        ...defaults(builtin, own),
        ...body(options),
        ...defaults(prelude.find('data', 'options'), options),
      ]);
    }),
    ...trainer.schedules.flatMap(({ name, phases }) =>
      block(
        `schedule ${name}`,
        phases.map(
          ({ kind, options }) =>
            `  ${kind}(${options.map((each) => `${each.name} = ${text(each.value)}`).join(', ')})`,
        ),
      ),
    ),
    ...trainer.optimizers.flatMap(({ name, kind, extern, of, options, groups }) =>
      block(`optimizer ${name} = ${kind}`, [
        `  of = ${of.length === 1 ? (of[0]?.model ?? '') : `[${of.map(({ model }) => model).join(', ')}]`}`,
        ...body(options),
        ...body(extern?.options ?? []),
        ...defaults(extern ? null : prelude.find('optimizer', kind), [
          ...options,
          { name: 'of', value: noExpr },
        ]),
        ...groups.map(
          (group) =>
            `  group ${group.name} { match = [${group.match.map(({ pattern }) => JSON.stringify(pattern)).join(', ')}] ${group.options.map((each) => `${each.name} = ${text(each.value)}`).join(' ')} }`,
        ),
      ]),
    ),
    ...trainer.steps.map(
      ({ stage, name, inputs, every }) =>
        `step ${stage}${name === stage ? '' : ` as ${name}`}(${inputs.map((each) => `${each.name} in ${each.data}`).join(', ')})${every === null ? (stage === 'validate' ? ' every 1.epoch  // default' : '') : ` every ${text(every)}`}`,
    ),
    ...block(`trainer ${trainer.name}`, [
      ...body(trainer.options),
      ...defaults(prelude.find('trainer', 'options'), trainer.options),
    ]),
    ...trainer.addons.flatMap(({ name, label, options }) =>
      block(`addon ${name}${label === name ? '' : ` as ${label}`}`, [
        ...body(options),
        ...defaults(prelude.find('addon', name), options),
      ]),
    ),
  ];
};

const noExpr: IrExpr = {
  kind: 'literal',
  value: null,
  type: { kind: 'none' },
  span: { file: 0, start: 0, end: 0 },
};
