/**
 * IR to TypeScript. After this: one formatted, typed file a module that has classes, consts, externs in use or the
 * trainer; a function of the IR and the compiler's version alone.
 */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { ts } from 'ts-morph';
import type { Ir, IrConst, IrExternItem, IrModule, IrType } from '../checker/ir.js';
import { type SourceFile, createSource } from '../parser/source.js';
import { emitClass } from './classes.js';
import { type Unit, type UnitOptions, createPlace, createUnit, nameProgram } from './context.js';
import { emitExpression } from './expressions.js';
import { camel, pascal } from './names.js';
import { type MapSource, mapTree, printTree } from './print.js';
import { digestOf, tokensDigestOf } from './digests.js';
import type { TrainerOptions } from './trainer-spec.js';
import { emitTrainer } from './trainer.js';
import { type Tree, createTree } from './tree.js';
import { recordType, tensorType, typeNode } from './types.js';

export interface EmitOptions {
  readonly compilerVersion: string;
  /** All files of the program by number, for the source map; the IR's modules in their order where it is left out. */
  readonly sources?: readonly SourceFile[];
  /** From the folder of the emitted files to the folder of the spec. */
  readonly specFolder?: string;
}

export interface EmittedFile {
  /** The module's name, `digits`. */
  readonly name: string;
  /** `digits.ts` */
  readonly fileName: string;
  readonly text: string;
  /** A source map (version 3, JSON) to the spec. */
  readonly map: string;
  /** The trainer's class, in the file that has it. */
  readonly trainer: string | null;
  /** The spec and its imports, which the executable carries and keeps in checkpoints. Empty where there is no trainer. */
  readonly specs: readonly { readonly path: string; readonly text: string }[];
}

/** Rejects with an `EmitError` where the IR breaks its own rules, which is a bug of the compiler. */
export const emit = async (ir: Ir, options: EmitOptions): Promise<readonly EmittedFile[]> => {
  const { ts: compiler } = await import('ts-morph');
  const tree = createTree(compiler);
  const sources =
    options.sources ?? ir.modules.map((module, id) => createSource(id, module.path, module.text));
  const specFolder = options.specFolder ?? '..';
  const digests = { sha256: digestOf(ir), tokensSha256: tokensDigestOf(ir) };
  const trees = buildTrees(tree, ir, { ...options, ...digests, specFolder });
  return Promise.all(
    trees.map(async ({ name, fileName, file, trainer }) => {
      const text = await printTree(tree, file);
      const sourceOf = (id: number): MapSource | null => {
        const source = sources.find((each) => each.id === id);
        const module = ir.modules.find((each) => each.path === source?.path || each.text === source?.text);
        if (source === undefined || module === undefined) return null;
        return { source, path: posix.join(specFolder, module.path) };
      };
      const specs =
        trainer === null ? [] : ir.modules.map((module) => ({ path: module.path, text: module.text }));
      return { name, fileName, text, map: mapTree(tree, file, fileName, text, sourceOf), trainer, specs };
    }),
  );
};

interface BuiltTree {
  readonly name: string;
  readonly fileName: string;
  readonly file: ts.SourceFile;
  readonly trainer: string | null;
}

/** The trees alone, unprinted. */
const buildTrees = (
  tree: Tree,
  ir: Ir,
  options: TrainerOptions & { readonly specFolder: string },
): readonly BuiltTree[] => {
  const program = nameProgram(ir);
  return ir.modules.flatMap((module, index) => {
    const isMain = index === ir.modules.length - 1;
    const trainer = isMain ? ir.trainer : null;
    if (trainer === null && module.classes.length === 0 && module.consts.length === 0) return [];
    const name = program.fileNames[index] ?? module.name;
    const unitOptions: UnitOptions = {
      tree,
      ir,
      program,
      module,
      fileName: name,
      specFolder: options.specFolder,
    };
    const unit = createUnit(unitOptions);
    const body = [
      ...module.consts.map((each, at) => emitConst(unit, each, at === 0)),
      ...module.classes.map((each) => emitClass(unit, each)),
      ...(trainer === null ? [] : emitTrainer(unit, ir, trainer, options)),
      ...module.externs.flatMap(({ module: from, items }) =>
        items.map((item, at) => emitExternCheck(unit, from, item, at === 0)),
      ),
    ];
    const imports = emitImports(unit);
    const statements = [...imports, ...body];
    const [first] = statements;
    if (first !== undefined) addHeader(tree, first, module, options);
    const file = tree.factory.createSourceFile(
      statements,
      tree.factory.createToken(tree.ts.SyntaxKind.EndOfFileToken),
      tree.ts.NodeFlags.None,
    );
    const trainerName = trainer === null ? null : (program.scope.find('trainer') ?? trainer.name);
    return [{ name, fileName: `${name}.ts`, file, trainer: trainerName }];
  });
};

const addHeader = (
  tree: Tree,
  first: ts.Statement,
  module: IrModule,
  options: { readonly compilerVersion: string },
): void => {
  const before = tree.ts.getSyntheticLeadingComments(first) ?? [];
  tree.ts.setSyntheticLeadingComments(first, undefined);
  const { path, text } = module;
  // Of this file alone: two specs that import it must agree on what it becomes.
  const sha256 = createHash('sha256').update(text).digest('hex');
  tree.note(
    first,
    `Generated by ztrainc ${options.compilerVersion} from ${path} (sha256 ${sha256}). Edit the spec, then run: ztrainc build ${path}`,
  );
  const made = tree.ts.getSyntheticLeadingComments(first) ?? [];
  tree.ts.setSyntheticLeadingComments(first, [...made, ...before]);
};

const emitConst = (unit: Unit, each: IrConst, isFirst: boolean): ts.Statement => {
  const { tree } = unit;
  const { factory } = tree;
  const value = emitExpression(createPlace(unit, unit.names.child()), each.value);
  // A list is spelled out as readonly; other types are what TypeScript infers.
  const type =
    each.type.kind === 'list' || each.type.kind === 'record' ? typeNode(unit, each.type) : undefined;
  const name = unit.constant(each.name);
  const made = factory.createVariableStatement(
    tree.modifiers('export'),
    factory.createVariableDeclarationList(
      [
        factory.createVariableDeclaration(
          tree.ts.isIdentifier(name) ? name : tree.id(camel(each.name)),
          undefined,
          type,
          value,
        ),
      ],
      tree.ts.NodeFlags.Const,
    ),
  );
  return tree.at(each.span, tree.doc(isFirst ? tree.apart(made) : made, each.doc));
};

const emitImports = (unit: Unit): readonly ts.Statement[] => {
  const { tree } = unit;
  const { factory } = tree;
  const specifier = (name: string, isType: boolean): ts.ImportSpecifier =>
    factory.createImportSpecifier(isType, undefined, tree.id(name));
  const named = (specifiers: readonly ts.ImportSpecifier[], from: string): ts.Statement =>
    factory.createImportDeclaration(
      undefined,
      factory.createImportClause(undefined, undefined, factory.createNamedImports(specifiers)),
      tree.text(from),
    );
  const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  const runtime = [
    ...[...unit.usedValues].sort(byName).map((name) => specifier(name, false)),
    ...[...unit.usedTypes].sort(byName).map((name) => specifier(name, true)),
  ];
  return [
    ...(runtime.length === 0 ? [] : [named(runtime, 'ztrain/runtime')]),
    ...[...unit.usedFiles]
      .sort(([a], [b]) => byName(a, b))
      .map(([file, names]) =>
        named(
          [...names].sort(byName).map((name) => specifier(name, false)),
          `./${file}.js`,
        ),
      ),
    ...[...unit.usedExterns]
      .sort(([a], [b]) => byName(a, b))
      .map(([from, alias]) =>
        factory.createImportDeclaration(
          undefined,
          factory.createImportClause(undefined, undefined, factory.createNamespaceImport(tree.id(alias))),
          tree.text(from),
        ),
      ),
  ];
};

/** What is told its inputs when it is called: the layer that a function makes, and a model, which is a class. */
const isModule = ({ what }: IrExternItem): boolean => what === 'layer' || what === 'model';

/** `corpus.tokenWindows satisfies (options: { … }) => …`: a mismatch is TypeScript's error on this line. */
const emitExternCheck = (unit: Unit, module: string, item: IrExternItem, isFirst: boolean): ts.Statement => {
  const { tree } = unit;
  const { factory } = tree;
  const alike = alikeOf(unit, item);
  const ofTensor = (type: IrType): ts.TypeNode =>
    type.kind === 'tensor' ? (alike?.typeOf(type) ?? tensorType(unit, type.shape)) : typeNode(unit, type);
  const options = tree.param(
    'options',
    tree.recordType([
      ...(item.many ? [{ key: 'label', type: tree.keyword('string') }] : []),
      ...item.params.map((param) => ({
        key: camel(param.name),
        type: typeNode(unit, param.type),
        optional: param.value !== null,
      })),
    ]),
  );
  const params = [
    ...(isModule(item) ? [] : item.inputs).map(({ name, type }) =>
      tree.param(name === 'options' ? 'options_' : camel(name), ofTensor(type)),
    ),
    ...(item.params.length === 0 && item.what !== 'data' && item.what !== 'addon' ? [] : [options]),
  ];
  const result =
    item.what === 'fn' && item.result.kind === 'tensor' ? ofTensor(item.result) : externResult(unit, item);
  const made = factory.createExpressionStatement(
    factory.createSatisfiesExpression(
      tree.member(unit.extern(module), camel(item.name)),
      item.what === 'model'
        ? factory.createConstructorTypeNode(undefined, undefined, params, result)
        : factory.createFunctionTypeNode(alike === null ? undefined : [alike.parameter], params, result),
    ),
  );
  return tree.at(item.span, isFirst ? tree.apart(made) : made);
};

/** `<S extends Tensor>`: a function that gives a tensor with the axes of one that it takes, however many there are. */
const alikeOf = (
  unit: Unit,
  { what, inputs, result }: IrExternItem,
): {
  readonly parameter: ts.TypeParameterDeclaration;
  /** Null where the tensor has other axes. */
  readonly typeOf: (type: IrType) => ts.TypeNode | null;
} | null => {
  const [rest = '', ...others] = result.kind === 'tensor' ? result.shape : [];
  const isSame = (type: IrType): boolean => type.kind === 'tensor' && type.shape.join() === rest;
  if (
    what !== 'fn' ||
    !/^\.\.\../.test(rest) ||
    others.length > 0 ||
    !inputs.some(({ type }) => isSame(type))
  )
    return null;
  const { tree } = unit;
  const name = unit.names.child().declare('axes', pascal(rest.slice(3)));
  return {
    parameter: tree.factory.createTypeParameterDeclaration(undefined, name, unit.type('Tensor')),
    typeOf: (type) => (isSame(type) ? tree.type(name) : null),
  };
};

const externResult = (unit: Unit, item: IrExternItem): ts.TypeNode => {
  const { what, result, slots = [], starts = false, effects = [] } = item;
  const { tree } = unit;
  switch (what) {
    case 'addon':
      // Who owns the end of the run has hooks that may ask for it.
      return unit.exportType('addons', 'Start', effects.includes('stop') ? [tree.literalType('stop')] : []);
    case 'fn':
      return result.kind === 'record' ? recordType(unit, result.fields) : typeNode(unit, result);
    case 'metric':
      return result.kind === 'record'
        ? unit.exportType('metrics', 'NamedFigures', [
            tree.factory.createUnionTypeNode(result.fields.map(({ name }) => tree.literalType(name))),
          ])
        : unit.exportType('metrics', 'Reduction');
    case 'optimizer':
      return unit.exportType(
        'optim',
        'UpdateRule',
        slots.length === 0
          ? []
          : [tree.factory.createUnionTypeNode(slots.map((slot) => tree.literalType(slot)))],
      );
    case 'schedule':
      return unit.exportType('schedules', starts ? 'StartedCurve' : 'Curve');
    case 'layer':
    case 'model':
      return layerCheck(unit, item);
    case 'data': {
      const name = item.live === true ? 'LiveSource' : 'RowSource';
      const { fields } = item;
      const source = (): ts.TypeNode =>
        unit.exportType('data', name, fields === undefined ? [] : [sourceFields(unit, fields)]);
      return tree.factory.createUnionTypeNode([source(), tree.type('Promise', [source()])]);
    }
  }
};

const fieldTypes = {
  numbers: 'SourceValues',
  gaps: 'ValuesOrMissing',
  texts: 'SourceTexts',
  lists: 'SourceLists',
} as const;

/** `{ readonly obs: data.SourceValues; readonly late: data.ValuesOrMissing }`: what a source gives for rows. */
const sourceFields = (unit: Unit, fields: NonNullable<IrExternItem['fields']>): ts.TypeNode =>
  unit.tree.recordType(
    fields.map(({ name, of }) => ({ key: name, type: unit.exportType('data', fieldTypes[of]) })),
  );

/** `nn.Module<[x: Tensor2D], Tensor2D> & { readonly gain: nn.Weight<Tensor1D> }` */
const layerCheck = (unit: Unit, { inputs, result, owns = [] }: IrExternItem): ts.TypeNode => {
  const { tree } = unit;
  const { factory } = tree;
  const takes = factory.createTupleTypeNode(
    inputs.map(({ name, type }) =>
      factory.createNamedTupleMember(undefined, tree.id(camel(name)), undefined, typeNode(unit, type)),
    ),
  );
  const module = unit.exportType('nn', 'Module', [
    tree.ts.setEmitFlags(takes, tree.ts.EmitFlags.SingleLine),
    typeNode(unit, result),
  ]);
  // What parts of it own is told when it is made: their fields are theirs to name.
  const own = owns.filter(({ path }) => !path.includes('.'));
  if (own.length === 0) return module;
  const fields = own.map(({ path, rank }) => ({
    key: camel(path),
    type: unit.exportType('nn', 'Weight', [
      tensorType(
        unit,
        Array.from({ length: rank }, () => 'n'),
      ),
    ]),
  }));
  return factory.createIntersectionTypeNode([module, tree.recordType(fields)]);
};
