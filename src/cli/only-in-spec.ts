/** Names in `name=value` that a command line cannot set, with the line of the spec that can. */
import type { Ir, IrNamed } from '../checker/ir.js';
import { positionAt, type SourceFile, type Span } from '../parser/source.js';
import { optionTable } from '../values/options.gen.js';
import { onlyInSpec, type Override } from '../values/overrides.js';

interface Owner {
  readonly name: string;
  readonly span: Span;
  readonly kinds: readonly string[];
  readonly options: readonly IrNamed[];
  readonly extern?: { readonly options: readonly IrNamed[] };
}

/** Everything that has attributes, with its kinds in the table. */
const ownersOf = ({ trainer }: Ir): readonly Owner[] =>
  trainer === null
    ? []
    : [
        { ...trainer, name: 'trainer', kinds: ['trainer/options'] },
        ...trainer.data.map((set) => ({
          ...set,
          kinds: ['data/options', `data/${set.source.name}`],
          options: [...set.arguments, ...set.options],
        })),
        ...trainer.optimizers.map((item) => ({ ...item, kinds: [`optimizer/${item.kind}`] })),
        ...trainer.addons.map((item) => ({ ...item, name: item.label, kinds: [`addon/${item.name}`] })),
      ];

/** Throws a UsageError for the first of them. Other mistakes are the trainer's to tell. */
export const refuseOnlyInSpec = (
  ir: Ir,
  files: readonly SourceFile[],
  overrides: readonly Override[],
): void => {
  const place = (span: Span): string => {
    const file = files.find(({ id }) => id === span.file);
    return file === undefined ? 'the spec' : `${file.path}:${positionAt(file, span.start).line}`;
  };
  const consts = ir.modules.flatMap((module) => module.consts);
  for (const { path } of overrides) {
    const [first = '', name] = path;
    if (name === undefined) {
      const found = consts.find((each) => each.name === first);
      if (found !== undefined && ir.trainer?.params.some((each) => each.name === first) !== true)
        throw onlyInSpec(`${first} is a const and`, `${place(found.span)}, or make it a param`);
      continue;
    }
    const schedule = ir.trainer?.schedules.find((each) => each.name === first);
    if (schedule !== undefined) throw onlyInSpec(path.join('.'), place(schedule.span));
    const owner = ownersOf(ir).find((each) => each.name === first);
    const declared = owner?.kinds.flatMap((kind) => optionTable.get(kind) ?? []);
    const option = declared?.find((each) => each.name === name);
    const isFixed = option !== undefined && !option.overridable && !option.later;
    if (owner === undefined || !(isFixed || owner.extern !== undefined)) continue;
    const written = [...owner.options, ...(owner.extern?.options ?? [])].find((each) => each.name === name);
    throw onlyInSpec(path.join('.'), place(written?.value.span ?? owner.span));
  }
};
