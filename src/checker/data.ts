/** Data sets: where their rows come from, what a row is, and what a batch of them is. */
import type { Config, DataDecl, TypeExpr } from '../parser/ast.js';
import { fileMissing, missingArgument, unknownName, wrongKind, wrongType } from '../parser/messages.gen.js';
import { nearest } from '../parser/nearest.js';
import type { Span } from '../parser/source.js';
import { parameterEnv } from './arguments.js';
import { checkAttributes, ownerOf, type Owner } from './attributes.js';
import { checkColumns } from './columns.js';
import { preludeScope } from './calls.js';
import { symbol, type Size } from './dims/size.js';
import { childScope, lookup, lookupData, makePlace, type Env, type FileScope } from './env.js';
import { checkExpr, kindOf } from './expressions.js';
import { moduleOf } from './externs.js';
import { isGraphStmt } from './classes.js';
import type { IrData, IrField, IrMap, IrNamed } from './ir.js';
import { checkLiveOptions, isLive, modelArgument } from './live.js';
import { asField, hasMasks } from './missing.js';
import { checkParts } from './parts.js';
import { splitMap } from './host-map.js';
import { fieldTypes, rowFields } from './row-fields.js';
import { ownSizes } from './row-texts.js';
import { liftMap } from './rows.js';
import type { Builtin } from './prelude.js';
import { aType, irType, tensorType, type RecordType, type Type, unknownType, withShape } from './types.js';
import { isUnknown, value, type Value } from './value.js';

export interface DataInfo {
  readonly ir: IrData;
  /** One batch, the size in front written as `n`. */
  readonly fields: RecordType['fields'];
  readonly attributes: ReadonlyMap<string, { readonly span: Span; readonly value: Value }>;
  readonly all: ReadonlyMap<string, Value>;
  readonly amends: string | null;
}

/** Symbol of the batch's size in the type of a data set; a step puts its own in its place. */
export const rowsSymbol = 'n';

const batched = (type: Type): Type =>
  type.kind === 'tensor' || type.kind === 'missing' || type.kind === 'text'
    ? withShape(type, (shape) => [symbol(rowsSymbol), ...shape])
    : type.kind === 'float'
      ? tensorType('f32', [symbol(rowsSymbol)])
      : type.kind === 'int'
        ? tensorType('i32', [symbol(rowsSymbol)])
        : type.kind === 'bool'
          ? tensorType('bool', [symbol(rowsSymbol)])
          : type;

interface Source {
  readonly builtin: Builtin | null;
  readonly ir: IrData['source'];
  readonly row: RecordType['fields'];
  readonly rowIr: readonly IrField[];
  readonly declared: boolean;
  readonly arguments: readonly IrNamed[];
  readonly all: ReadonlyMap<string, Value>;
  readonly given: ReadonlyMap<string, { readonly span: Span; readonly value: Value }>;
}

export const isPath = (type: TypeExpr): boolean =>
  type.kind === 'namedType'
    ? type.name.text === 'path'
    : type.kind === 'unionType' && type.members.some(isPath);

const common = (env: Env): Builtin | null => env.checker.prelude.find('data', 'options');

/** Attributes of a source, split from those that every data set takes. */
const readSource = (
  env: Env,
  decl: DataDecl,
  file: FileScope,
  config: Config,
  inherited: DataInfo | null,
  sourceName: string,
): Source | null => {
  const options = common(env);
  const builtin = env.checker.prelude.find('data', sourceName);
  const binding = lookup(env.scope, sourceName);
  const extern =
    binding?.kind === 'decl' && binding.decl.kind === 'externItem' && binding.decl.what === 'data'
      ? binding.decl
      : null;
  if (!options || (!builtin && !extern)) return null;
  if (binding && extern) env.checker.used.add(binding);
  const own = extern ? extern.params : (builtin?.params ?? []);
  const externFile = extern && binding?.kind === 'decl' ? binding.file : null;
  const owner: Owner = {
    ...ownerOf(sourceName, builtin ? [builtin, options] : [options], [...own, ...options.params]),
    ...(externFile ? { own: (item, expr) => modelArgument(env, externFile, sourceName, item, expr) } : {}),
  };
  const attributes = checkAttributes(env, owner, config, inherited?.attributes ?? new Map());
  const given = new Map(attributes.given.map((each) => [each.name, { span: each.span, value: each.value }]));
  const isOwn = (name: string): boolean => own.some((param) => param.name.text === name);
  const paths = new Set(own.flatMap((param) => (isPath(param.type) ? [param.name.text] : [])));
  // A source of the prelude has the same defaults in the runtime; an extern is told those that the spec declares.
  const arguments_ = extern
    ? [...attributes.all].map(([key, each]) => ({ name: key, value: each }))
    : attributes.given;
  const args = arguments_
    .filter((each) => isOwn(each.name) && each.value.type.kind !== 'none')
    .map((each) => ({
      name: each.name,
      value: paths.has(each.name) ? { ...each.value.ir, type: { kind: 'path' as const } } : each.value.ir,
    }));
  const result = extern ? extern.result : (builtin?.item.result ?? null);
  const sizes = new Map<string, Size>();
  for (const param of own) {
    const size = attributes.all.get(param.name.text)?.size;
    if (size) sizes.set(param.name.text, size);
  }
  const written = decl.record ?? (result?.kind === 'recordType' ? result : null);
  const inner = parameterEnv(env, extern ? file : preludeScope(env), attributes.all);
  if (decl.record && result?.kind === 'recordType') {
    env.checker.report(
      wrongKind(
        decl.record.span,
        { name: sourceName, found: 'a source whose rows are known', expected: 'no record type' },
        { help: 'leave the record type out' },
      ),
    );
  }
  if (decl.record && inherited && result?.kind !== 'recordType') {
    env.checker.report(
      wrongKind(
        decl.record.span,
        { name: decl.source.text, found: 'a data set, whose rows are known', expected: 'no record type' },
        { help: 'leave the record type out, or change the rows by `map`' },
      ),
    );
  }
  if (!written && !inherited) {
    env.checker.report(
      missingArgument(
        decl.source.span,
        { owner: sourceName, kind: 'the type of a row,', name: '-> { … }' },
        { help: `write \`data ${decl.name.text} = ${sourceName} -> { x: f32[4], label: i32 } { … }\`` },
      ),
    );
    return null;
  }
  const row = written
    ? rowFields(decl.record ? env : inner, written, sizes, { name: sourceName, isExtern: extern !== null })
    : inherited
      ? inheritedRow(inherited)
      : [];
  checkColumns(env, file, { name: sourceName, all: attributes.all, row, span: decl.source.span });
  return {
    builtin,
    ir: {
      kind: extern ? 'extern' : 'prelude',
      name: sourceName,
      module: extern ? moduleOf(file, extern) : null,
      ...(extern && isLive(extern) ? { live: true as const } : {}),
    },
    row,
    rowIr: written ? fieldTypes(written, row, sourceName) : (inherited?.ir.row ?? []),
    declared: decl.record !== null || (inherited?.ir.declared ?? false),
    arguments: args,
    all: attributes.all,
    given,
  };
};

const rows = new WeakMap<IrData, RecordType['fields']>();
const inheritedRow = (info: DataInfo): RecordType['fields'] => rows.get(info.ir) ?? [];

const checkMaps = (
  env: Env,
  config: Config,
  before: RecordType['fields'],
  maps: readonly IrMap[],
): { readonly fields: RecordType['fields']; readonly maps: readonly IrMap[] } => {
  let fields = before;
  const made = [...maps];
  for (const entry of config.entries) {
    if (entry.kind === 'group') {
      env.checker.report(
        wrongKind(entry.name.span, {
          name: entry.name.text,
          found: 'a group',
          expected: 'an attribute or `map`',
        }),
      );
      continue;
    }
    if (entry.kind !== 'map') continue;
    // Each map draws numbers of its own.
    const place = makePlace('map', null, new Set(), made.length === 0 ? 'map' : `map${made.length + 1}`);
    place.symbols.set(rowsSymbol, { kind: 'batchSize', batch: entry.row.text });
    const inner = childScope({ ...env, place });
    const row = value(entry.row.span, { kind: 'record', fields }, { kind: 'ref', ref: { kind: 'row' } });
    for (const [name, size] of ownSizes(row))
      // What the spec calls so keeps its name.
      if (!lookup(env.scope, name))
        inner.scope.names.set(name, { kind: 'value', name, span: row.span, what: 'size', value: () => size });
    inner.scope.names.set(entry.row.text, {
      kind: 'value',
      name: entry.row.text,
      span: entry.row.span,
      what: 'row',
      value: () => row,
    });
    const found = checkExpr(inner, entry.value);
    if (isUnknown(found) || !hasMasks(env, [...(found.fields?.values() ?? [])]))
      return { fields: [], maps: made };
    if (found.type.kind !== 'record' || !found.fields) {
      env.checker.report(
        wrongType(
          entry.value.span,
          { what: 'what `map` gives', found: aType(found.type), expected: 'a record `{ name: value, … }`' },
          { help: 'give its values names: `{ image: …, label: … }`' },
        ),
      );
      return { fields: [], maps: made };
    }
    const types = new Map([...found.fields].map(([name, field]) => [name, mapped(env, name, field)]));
    const values = [...found.fields].flatMap(([name, field]) =>
      types.get(name)?.kind === 'unknown' ? [] : [{ name, value: asField(field) }],
    );
    const statements = place.statements.filter(isGraphStmt);
    const inStep = made.some((map) => !map.host);
    const split = splitMap(env, {
      span: entry.span,
      row: entry.row.text,
      statements,
      values,
      before: fields,
      inStep,
    });
    if (!split) return { fields: [], maps: made };
    if (split.host) made.push(split.host);
    const { refused, ...lifted } = liftMap(env, split.step?.statements ?? [], split.step?.values ?? []);
    if (split.step) made.push({ span: entry.span, row: entry.row.text, ...lifted });
    fields = [...types].map(([name, type]) => ({ name, type: refused.has(name) ? unknownType : type }));
  }
  return { fields, maps: made };
};

/** The type of a field that `map` gives; unknown after an error, so that what reads the field needs none of its own. */
const mapped = (env: Env, name: string, field: Value): Type => {
  const { type, span } = field;
  if (['tensor', 'missing', 'text', 'int', 'float', 'unknown'].includes(type.kind)) return type;
  const help =
    type.kind === 'list'
      ? 'make it a `const`, and use its numbers in the step: `w[0]`'
      : type.kind === 'record'
        ? 'give each of its fields a name here'
        : 'make it a `const`, and use that in the step';
  env.checker.report(
    wrongType(
      span,
      { what: `field \`${name}\``, found: aType(type), expected: 'a tensor or a number' },
      { help },
    ),
  );
  return unknownType;
};

export const checkData = (env: Env, decl: DataDecl, file: FileScope): DataInfo | null =>
  env.checker.memo(decl, 'data', () => {
    const name = decl.source.text;
    const binding = lookupData(env.scope, name);
    let inherited: DataInfo | null = null;
    let sourceName = name;
    if (binding?.kind === 'decl' && binding.decl.kind === 'data') {
      env.checker.used.add(binding);
      if (binding.decl === decl || env.checker.open.others.has(binding.decl)) {
        env.checker.report(
          wrongKind(decl.source.span, {
            name,
            found: 'the data set itself',
            expected: 'a source or another data set',
          }),
        );
        return null;
      }
      env.checker.open.others.add(decl);
      inherited = checkData(env, binding.decl, binding.file);
      env.checker.open.others.delete(decl);
      if (!inherited) return null;
      sourceName = inherited.ir.source.name;
    } else if (
      binding &&
      !(binding.kind === 'decl' && binding.decl.kind === 'externItem' && binding.decl.what === 'data')
    ) {
      env.checker.report(
        wrongKind(decl.source.span, { name, found: kindOf(binding), expected: 'a data source' }),
      );
      return null;
    } else if (!binding && !env.checker.prelude.find('data', name)) {
      const near = nearest(name, [
        ...env.checker.prelude.names('data').filter((each) => each !== 'options'),
        ...file.decls.flatMap((each) => (each.kind === 'data' && each !== decl ? [each.name.text] : [])),
      ]);
      env.checker.report(
        unknownName(
          decl.source.span,
          { kind: 'data source', name },
          near[0]
            ? { help: `write \`${near[0]}\`` }
            : {
                help: `sources are ${env.checker.prelude
                  .names('data')
                  .filter((each) => each !== 'options')
                  .join(', ')}`,
              },
        ),
      );
      return null;
    }
    const source = readSource(env, decl, file, decl.config, inherited, sourceName);
    if (!source) return null;
    const start = inherited
      ? inherited.fields.map((field) => ({ ...field, type: unbatched(field.type) }))
      : source.row;
    const { fields, maps } = checkMaps(env, decl.config, start, inherited?.ir.maps ?? []);
    const options = common(env)?.params.map((param) => param.name.text) ?? [];
    const ir: IrData = {
      span: decl.span,
      doc: decl.doc,
      name: decl.name.text,
      source: source.ir,
      arguments: source.arguments,
      options: [...source.given]
        .filter(([key, each]) => options.includes(key) && each.value.type.kind !== 'none')
        .map(([key, each]) => ({ name: key, value: each.value.ir })),
      row: source.rowIr,
      declared: source.declared,
      maps,
      batch: fields.map((field) => ({ name: field.name, type: irType(batched(field.type)) })),
    };
    rows.set(ir, source.row);
    if (source.ir.live) checkLiveOptions(env, decl);
    checkParts(env, {
      decl,
      inherited: inherited?.attributes ?? null,
      given: source.given,
      row: source.row,
    });
    checkFiles(env, file, source.given);
    return {
      ir,
      fields: fields.map((field) => ({ name: field.name, type: batched(field.type) })),
      attributes: source.given,
      all: source.all,
      amends: inherited ? name : null,
    };
  });

const unbatched = (type: Type): Type => withShape(type, (shape) => shape.slice(1));

/** Whether a file is there is the run's business; a path that no run could read is the spec's. */
const checkFiles = (
  env: Env,
  _file: FileScope,
  given: ReadonlyMap<string, { readonly span: Span; readonly value: Value }>,
): void => {
  for (const name of ['file', 'images', 'labels', 'root']) {
    const path = given.get(name)?.value.constant;
    const span = given.get(name)?.span;
    if (typeof path === 'string' && span && (path === '' || path.includes('\0'))) {
      env.checker.report(
        fileMissing(span, { kind: 'data', file: JSON.stringify(path), reason: 'it is no path' }),
      );
    }
  }
};
