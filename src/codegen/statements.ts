/** Statements of a `forward`, a step or a closure as TypeScript. */
import type { ts } from 'ts-morph';
import type { IrFold, IrStmt } from '../checker/ir.js';
import { walkIr } from '../checker/ir-walk.js';
import { EmitError, type Place, inside } from './context.js';
import { emitExpression, emitSlot } from './expressions.js';
import { camel } from './names.js';
import { tensorText, typeNode } from './types.js';
import { fateOf, namesRead } from './unread.js';

type IrBranch = Extract<IrStmt, { readonly kind: 'branch' }>;

export const emitStatements = (place: Place, body: readonly IrStmt[]): readonly ts.Statement[] =>
  body.flatMap((statement) => emitStatement(place, statement));

export const emitStatement = (place: Place, statement: IrStmt): readonly ts.Statement[] => {
  const { tree } = place.unit;
  const fate = fateOf(statement, place.unread);
  if (fate === 'dropped') return [];
  if (statement.kind === 'fold') return emitFold(place, statement);
  if (statement.kind === 'branch') return emitBranch(place, statement, fate === 'kept');
  if (statement.kind === 'items') {
    const picked = statement.items.map(({ key, name }) => ({
      key,
      name: place.names.declare(`local:${name}`, camel(name)),
    }));
    return [
      tree.at(statement.span, tree.variable('const', tree.pick(picked), emitSlot(place, statement.slot))),
    ];
  }
  const value = emitExpression(place, statement.value);
  if (fate === 'called') return [tree.at(statement.span, tree.factory.createExpressionStatement(value))];
  const name = place.names.declare(`local:${statement.name}`, camel(statement.name));
  const made = tree.at(statement.span, tree.variable('const', name, value));
  const shape = tensorText(statement.value.type);
  return [shape === null ? made : tree.remark(made, shape)];
};

/** `let h; if (test) { …; h = value; } else { …; h = value; }`; without the `h` where nothing reads it. */
const emitBranch = (place: Place, branch: IrBranch, isRead: boolean): readonly ts.Statement[] => {
  const { tree } = place.unit;
  const { factory } = tree;
  const test = emitExpression(place, branch.test);
  const name = place.names.declare(`local:${branch.name}`, camel(branch.name));
  const block = ({ body, value }: IrBranch['then']): ts.Block => {
    const within = inside(place);
    const statements = emitStatements(within, body);
    const found = emitExpression(within, value);
    const given = isRead ? factory.createAssignment(tree.id(name), found) : found;
    return tree.block([...statements, tree.at(value.span, factory.createExpressionStatement(given))]);
  };
  const made = tree.at(branch.span, factory.createIfStatement(test, block(branch.then), block(branch.else)));
  if (!isRead) return [made];
  const declared = factory.createVariableDeclaration(
    tree.id(name),
    undefined,
    typeNode(place.unit, branch.type),
  );
  const start = factory.createVariableStatement(
    undefined,
    factory.createVariableDeclarationList([declared], tree.ts.NodeFlags.Let),
  );
  const shape = tensorText(branch.type);
  return [tree.at(branch.span, shape === null ? start : tree.remark(start, shape)), made];
};

/** `let h = from; for (const block of this.blocks) { …; h = value; }` */
const emitFold = (place: Place, fold: IrFold): readonly ts.Statement[] => {
  const { tree } = place.unit;
  const { factory } = tree;
  const from = emitExpression(place, fold.from);
  const name = place.names.declare(`local:${fold.name}`, camel(fold.name));
  const within = inside(place);
  const counts =
    fold.index !== null && namesRead([fold.body, fold.value], place.unread).has(`index:${fold.index}`);
  const turn = fold.index ?? 'turn';
  const index = within.names.declare(`index:${turn}`, camel(turn));
  const item = within.names.declare(`local:${fold.item}`, camel(fold.item));
  // The number of the turn starts where the range does; the list of modules starts at 0.
  const shifted = fold.slot !== null && counts && fold.start !== 0;
  const counter = shifted ? within.names.declare('counter', 'turn') : index;
  const body = [
    ...(shifted
      ? [
          tree.variable(
            'const',
            index,
            factory.createBinaryExpression(
              tree.id(counter),
              tree.ts.SyntaxKind.PlusToken,
              tree.number(fold.start),
            ),
          ),
        ]
      : []),
    ...fold.body.flatMap((statement) => emitStatement(within, statement)),
    tree.at(
      fold.value.span,
      factory.createExpressionStatement(
        factory.createAssignment(tree.id(name), emitExpression(within, fold.value)),
      ),
    ),
  ];
  const shape = tensorText(fold.value.type);
  const start = tree.at(fold.span, tree.variable('let', name, from));
  return [
    shape === null ? start : tree.remark(start, shape),
    tree.at(fold.span, emitLoop(place, fold, { index, item, counter, counts }, body)),
  ];
};

/** A loop over numbers; where its turns draw random numbers, over `nn.turns`, which keeps their draws apart. */
export const emitTurns = (
  place: Place,
  name: { readonly index: string; readonly used: boolean },
  from: ts.Expression,
  to: ts.Expression,
  body: readonly ts.Statement[],
  drawn: unknown,
): ts.Statement => {
  const { unit } = place;
  const { tree, ir } = unit;
  let random = false;
  walkIr(drawn, (node) => {
    if (typeof node['draw'] === 'string') random = true;
    if (node['kind'] === 'model') {
      const made = ir.trainer?.models.find((model) => model.name === node['model']);
      const name = made?.class ?? node['model'];
      random ||= ir.modules.some((module) =>
        module.classes.some((each) => each.name === name && each.random),
      );
    }
  });
  if (!random) return tree.countTo(name.index, from, to, body);
  // TypeScript lets a loop's variable go unused where its name says so.
  const index = name.used ? name.index : `_${name.index}`;
  return tree.forOf(index, tree.call(unit.export('nn', 'turns'), [from, to]), body);
};

const emitLoop = (
  place: Place,
  fold: IrFold,
  names: {
    readonly index: string;
    readonly item: string;
    readonly counter: string;
    /** Whether the body reads the number of the turn. */
    readonly counts: boolean;
  },
  body: readonly ts.Statement[],
): ts.Statement => {
  const { tree } = place.unit;
  if (fold.slot === null) {
    if (fold.count === null) throw new EmitError('a fold has neither weights nor a count');
    const count = emitExpression(place, fold.count);
    const to =
      fold.start === 0
        ? count
        : tree.factory.createBinaryExpression(tree.number(fold.start), tree.ts.SyntaxKind.PlusToken, count);
    return emitTurns(
      place,
      { index: names.index, used: names.counts },
      tree.number(fold.start),
      to,
      body,
      fold,
    );
  }
  const modules = emitSlot(place, fold.slot);
  if (!names.counts) return tree.forOf(names.item, modules, body);
  const entries = tree.call(
    tree.member(
      tree.factory.createArrayLiteralExpression([tree.factory.createSpreadElement(modules)]),
      'entries',
    ),
    [],
  );
  return tree.forOf(tree.pickItems([names.counter, names.item]), entries, body);
};
