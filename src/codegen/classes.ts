/** Blocks and models as classes. After this: all weights are made in the constructor, in the spec's order. */
import type { ts } from 'ts-morph';
import type { IrClass, IrContent, IrExpr, IrExternLayer, IrNamed, IrOption, IrSlot } from '../checker/ir.js';
import { refsOf } from '../checker/ir-walk.js';
import { EmitError, type Place, type Readers, type Unit, createPicked, createPlace } from './context.js';
import { emitExpression, emitOptions, emitSize, layerType, withOptions } from './expressions.js';
import { camel } from './names.js';
import { emitStatements } from './statements.js';
import { namesRead, unreadIn } from './unread.js';
import { rankOf, tensorText, tensorType, typeNode } from './types.js';

/** Members of `nn.Module` that a slot must not hide, and of every object. */
const MODULE_MEMBERS = (
  'add addState addWeight as become call constructor forward hasOwnProperty isPrototypeOf measured options ' +
  'propertyIsEnumerable toLocaleString toString valueOf'
).split(' ');

export const emitClass = (unit: Unit, from: IrClass): ts.Statement => {
  const { tree } = unit;
  const { factory } = tree;
  const name = unit.classOf(from.name);
  const members = unit.names.child(MODULE_MEMBERS);
  for (const slot of from.slots) {
    members.declare(`slot:${slot.name}`, camel(slot.name));
  }
  const inputs = factory.createTupleTypeNode(
    from.inputs.map((input) =>
      factory.createNamedTupleMember(
        undefined,
        tree.id(camel(input.name)),
        undefined,
        typeNode(unit, input.type),
      ),
    ),
  );
  const base = factory.createExpressionWithTypeArguments(unit.export('nn', 'Module'), [
    tree.ts.setEmitFlags(inputs, tree.ts.EmitFlags.SingleLine),
    typeNode(unit, from.result),
  ]);
  const readSlot: Readers['slot'] = (slotName) => {
    const slot = from.slots.find((each) => each.name === slotName);
    if (slot === undefined) throw new EmitError(`${from.name} has no slot ${JSON.stringify(slotName)}`);
    const member = members.find(`slot:${slotName}`) ?? camel(slotName);
    return { value: tree.member(tree.self(), member), conditional: slot.when !== null };
  };
  const construct = emitConstructor(unit, from, readSlot);
  const forward = emitForward(unit, from, readSlot);
  const place = createPlace(unit, members);
  const fields = from.slots.map((slot) =>
    tree.doc(
      tree.at(
        slot.span,
        factory.createPropertyDeclaration(
          tree.modifiers('readonly'),
          tree.id(members.find(`slot:${slot.name}`) ?? camel(slot.name)),
          undefined,
          slotType(place, slot),
          undefined,
        ),
      ),
      slot.doc,
    ),
  );
  const after = [...(construct === null ? [] : [construct]), forward];
  const made = factory.createClassDeclaration(
    tree.modifiers('export'),
    tree.id(name),
    undefined,
    [factory.createHeritageClause(tree.ts.SyntaxKind.ExtendsKeyword, [base])],
    [...fields, ...after.map((each, index) => (fields.length > 0 || index > 0 ? tree.apart(each) : each))],
  );
  return tree.at(from.span, tree.doc(tree.apart(made), from.doc));
};

const slotType = (place: Place, slot: IrSlot): ts.TypeNode => {
  const type = contentType(place, slot.content);
  return slot.when === null
    ? type
    : place.unit.tree.factory.createUnionTypeNode([type, place.unit.tree.literalType(null)]);
};

/** Whether a recurrent layer has two directions: it is another class then. */
const goesBothWays = ({ extern, weights }: Extract<IrContent, { kind: 'layer' }>): boolean =>
  !extern && weights.some(({ name }) => name.startsWith('forward.'));

const contentType = (place: Place, content: IrContent): ts.TypeNode => {
  const { unit } = place;
  switch (content.kind) {
    case 'layer':
      if (content.extern) return unit.exportType('nn', 'ExternLayer');
      return goesBothWays(content)
        ? unit.exportType('nn', 'Bidirectional', [layerType(place, content.layer)])
        : layerType(place, content.layer);
    case 'block':
      return unit.tree.type(unit.classOf(content.block));
    case 'repeat':
      return unit.exportType('nn', 'List', [contentType(place, content.item)]);
    case 'list': {
      const kinds = new Map<string, IrContent>();
      for (const item of content.items) {
        kinds.set(
          item.kind === 'layer'
            ? item.extern
              ? 'extern'
              : `${item.layer}${goesBothWays(item) ? ' both' : ''}`
            : item.kind === 'block'
              ? `block ${item.block}`
              : JSON.stringify(item),
          item,
        );
      }
      const types = [...kinds.values()].map((item) => contentType(place, item));
      const [first] = types;
      if (first === undefined) throw new EmitError('a list of layers is empty');
      return unit.exportType('nn', 'List', [
        types.length === 1 ? first : unit.tree.factory.createUnionTypeNode(types),
      ]);
    }
    case 'group':
      return unit.exportType('nn', 'Group', [
        unit.tree.recordType(content.slots.map((slot) => ({ key: slot.name, type: slotType(place, slot) }))),
      ]);
  }
};

const emitConstructor = (
  unit: Unit,
  from: IrClass,
  readSlot: Readers['slot'],
): ts.ConstructorDeclaration | null => {
  const { tree } = unit;
  const { factory } = tree;
  if (from.options.length === 0 && from.slots.length === 0) return null;
  const names = unit.names.child(['options']);
  const picked = createOptions(unit, from, names);
  // A size of an input is an option of the same name here: there is no input yet.
  const place = createPlace(unit, names, {
    param: picked.read,
    option: picked.read,
    dim: picked.read,
    slot: readSlot,
  });
  const made = from.slots.map((slot) => {
    const content = emitContent(place, slot.content);
    const added =
      slot.whole === true
        ? tree.call(tree.member(tree.self(), 'become'), [content])
        : tree.call(tree.member(tree.self(), 'add'), [tree.text(slot.name), content]);
    const value =
      slot.when === null
        ? added
        : factory.createConditionalExpression(
            emitExpression(place, slot.when),
            undefined,
            added,
            undefined,
            tree.literal(null),
          );
    const target = readSlot(slot.name).value;
    return tree.at(slot.span, factory.createExpressionStatement(factory.createAssignment(target, value)));
  });
  const statements = [
    factory.createExpressionStatement(factory.createCallExpression(factory.createSuper(), undefined, [])),
    ...picked.statement('options'),
    ...made,
  ];
  const params =
    from.options.length === 0
      ? []
      : [tree.param('options', optionsType(unit, from), tree.modifiers('readonly'))];
  return factory.createConstructorDeclaration(undefined, params, tree.block(statements));
};

const optionsType = (unit: Unit, from: IrClass): ts.TypeNode =>
  unit.tree.recordType(
    from.options.map((option) => ({
      key: camel(option.name),
      type: typeNode(unit, option.type),
      optional: defaultOf(option) !== null,
    })),
  );

/** A size or a param has no default of its own: whoever makes the module gives it. */
const defaultOf = (option: IrOption): IrExpr | null => (option.origin === 'declared' ? option.value : null);

/** Options by name, taken apart at the top of a body, with their defaults. */
const createOptions = (unit: Unit, from: IrClass, names: Place['names']) => {
  const { tree } = unit;
  const picked = createPicked(
    tree,
    names,
    'option',
    from.options.map((option) => option.name),
    camel,
  );
  /** `options` is `this.options` where it is not the constructor's own. */
  const statement = (options: 'options' | 'this.options'): readonly ts.Statement[] => {
    const place = createPlace(unit, names, { param: picked.read, option: picked.read });
    // A default may read other options: it is written first, so that these are counted as used.
    const defaults = new Map<string, ts.Expression>();
    const used = (): readonly { readonly key: string; readonly name: string }[] => picked.names();
    for (const option of [...from.options].reverse()) {
      const key = camel(option.name);
      const value = defaultOf(option);
      if (value !== null && used().some((each) => each.key === key)) {
        defaults.set(key, emitExpression(place, value));
      }
    }
    if (picked.isEmpty()) return [];
    const all = used().map((each) => ({ ...each, value: defaults.get(each.key) }));
    // A default that is made of params reads what stands before it in the pattern.
    const late = new Set(
      from.options.flatMap(({ name, value }) =>
        value && refsOf(value).params.size > 0 ? [camel(name)] : [],
      ),
    );
    const isLate = (each: (typeof all)[number]): boolean => each.value !== undefined && late.has(each.key);
    const binding = tree.pick([...all.filter((each) => !isLate(each)), ...all.filter(isLate)]);
    const source = options === 'options' ? tree.id('options') : tree.member(tree.self(), 'options');
    return [tree.variable('const', binding, source)];
  };
  return { read: picked.read, statement };
};

const emitContent = (place: Place, content: IrContent): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  const { factory } = tree;
  switch (content.kind) {
    case 'layer':
      if (content.extern) return emitExternLayer(place, content.layer, content.extern, content.options);
      return tree.call(
        unit.export('nn', content.layer),
        withOptions(place, [], emitOptions(place, content.options)),
      );
    case 'block':
      return factory.createNewExpression(tree.id(unit.classOf(content.block)), undefined, [
        ...withOptions(place, [], emitOptions(place, content.options)),
      ]);
    case 'repeat': {
      const names = place.names.child();
      const within = { ...place, names };
      const params =
        content.index === null || !readsIndex(content.item, content.index)
          ? []
          : [tree.param(names.declare(`index:${content.index}`, camel(content.index)))];
      return tree.call(unit.export('nn', 'list'), [
        emitExpression(place, content.count),
        tree.arrow(params, emitContent(within, content.item)),
      ]);
    }
    case 'list':
      return tree.call(unit.export('nn', 'list'), [
        tree.array(content.items.map((item) => emitContent(place, item))),
      ]);
    case 'group':
      return tree.call(unit.export('nn', 'group'), [
        tree.object(
          content.slots.map((slot) => {
            const made = emitContent(place, slot.content);
            const value =
              slot.when === null
                ? made
                : factory.createConditionalExpression(
                    emitExpression(place, slot.when),
                    undefined,
                    made,
                    undefined,
                    tree.literal(null),
                  );
            return { key: slot.name, value, span: slot.span };
          }),
        ),
      ]);
  }
};

const emitExternLayer = (
  place: Place,
  layer: string,
  { what, module, sizes, takes, gives, weights, state }: IrExternLayer,
  options: readonly IrNamed[],
): ts.Expression => {
  const { unit } = place;
  const { tree } = unit;
  const axis = (size: string): ts.Expression => {
    if (/^(\d+|\.\.\.\w*)$/.test(size))
      return size.startsWith('.') ? tree.text(size) : tree.number(Number(size));
    if (/^\w+$/.test(size)) return tree.text(camel(size));
    const names = place.names.child();
    const read = names.declare('size', 'size');
    const value = emitSize({ ...place, names }, size, (name) =>
      tree.call(tree.id(read), [tree.text(camel(name))]),
    );
    return tree.arrow([tree.param(read)], value);
  };
  const axes = (shape: readonly string[]): ts.Expression => tree.array(shape.map(axis));
  const owned = (all: IrExternLayer['weights']): ts.Expression =>
    tree.object(all.map(({ name, shape }) => ({ key: name, value: axes(shape) })));
  const declared = tree.object([
    ...(what === 'model' ? [{ key: 'what', value: tree.text(what) }] : []),
    { key: 'name', value: tree.text(layer) },
    { key: 'file', value: tree.text(module) },
    ...(sizes.length > 0 ? [{ key: 'sizes', value: tree.object(emitOptions(place, sizes)) }] : []),
    { key: 'takes', value: tree.array(takes.map(axes)) },
    { key: 'gives', value: axes(gives) },
    { key: 'weights', value: owned(weights) },
    { key: 'state', value: owned(state) },
  ]);
  return tree.call(unit.export('nn', what === 'model' ? 'externModel' : 'extern'), [
    declared,
    tree.member(unit.extern(module), camel(layer)),
    tree.object(emitOptions(place, options)),
  ]);
};

/** Does anything in this part of the IR read the number of that turn? */
const readsIndex = (part: unknown, index: string): boolean => {
  if (typeof part !== 'object' || part === null) return false;
  if ('kind' in part && part.kind === 'index' && 'name' in part && part.name === index) return true;
  return Object.values(part).some((each) => readsIndex(each, index));
};

const emitForward = (unit: Unit, from: IrClass, readSlot: Readers['slot']): ts.ClassElement => {
  const { tree } = unit;
  const { factory } = tree;
  const names = unit.names.child();
  const inputs = from.inputs.map((input) => ({
    ...input,
    identifier: names.declare(`input:${input.name}`, camel(input.name)),
  }));
  const dims = createPicked(
    tree,
    names,
    'dim',
    from.dims.map((dim) => dim.name),
    camel,
  );
  const options = createOptions(unit, from, names);
  const known = new Set(from.dims.map((dim) => dim.name));
  const unread = unreadIn(from.body, from.value);
  const place = createPlace(
    unit,
    names,
    {
      param: options.read,
      option: options.read,
      dim: (name) => (known.has(name) ? dims.read(name) : options.read(name)),
      slot: readSlot,
    },
    unread,
  );
  const body = emitStatements(place, from.body);
  const value = tree.giveBack(emitExpression(place, from.value));
  const shape = tensorText(from.value.type);
  const sizes = inputs.map((input) => dimStatements(unit, from, input, dims.names()));
  const read = namesRead([from.body, from.value], unread);
  const statements = [
    ...options.statement('this.options'),
    ...sizes.flat(),
    ...body,
    tree.at(from.value.span, shape === null ? value : tree.remark(value, shape)),
  ];
  return factory.createMethodDeclaration(
    tree.modifiers('protected', 'override'),
    undefined,
    'forward',
    undefined,
    undefined,
    inputs.map(({ name, type, identifier }, index) => {
      const isRead = read.has(`input:${name}`) || sizes[index]?.length !== 0;
      return tree.param(
        isRead ? identifier : names.declare(`unread:${name}`, `_${identifier}`),
        typeNode(unit, type),
      );
    }),
    from.result.kind === 'tensor' ? tensorType(unit, from.result.shape) : typeNode(unit, from.result),
    tree.block(statements),
  );
};

/** `const [n, , c] = x.shape`, of the sizes that are used. */
const dimStatements = (
  unit: Unit,
  from: IrClass,
  input: { readonly name: string; readonly identifier: string; readonly type: IrClass['result'] },
  used: readonly { readonly key: string; readonly name: string }[],
): readonly ts.Statement[] => {
  const { tree } = unit;
  const mine = from.dims.flatMap((dim) => {
    const identifier = used.find((each) => each.key === camel(dim.name))?.name;
    return dim.input === input.name && identifier !== undefined ? [{ axis: dim.axis, identifier }] : [];
  });
  if (mine.length === 0) return [];
  const rank = input.type.kind === 'tensor' ? rankOf(input.type.shape) : null;
  // The checker lets no block take a spread: each axis has a name.
  if (rank === null)
    throw new EmitError(`input ${JSON.stringify(input.name)} has no rank to read sizes from`);
  const places = new Map(mine.map(({ axis, identifier }) => [axis < 0 ? axis + rank : axis, identifier]));
  const last = Math.max(...places.keys());
  const pattern = Array.from({ length: last + 1 }, (_, axis) => places.get(axis) ?? null);
  return [tree.variable('const', tree.pickItems(pattern), tree.member(tree.id(input.identifier), 'shape'))];
};
