/** ZT5008: rows that meet across a batch see one batch of a window, not the window. */
import { rowsMeet } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import type { IrExpr } from '../ir.js';
import { meetingIn, type Figure } from '../batch-figures.js';
import { walkIr } from '../ir-walk.js';
import { optionOf, type TrainingInput } from './input.js';
import type { Run } from './run.js';
import { localsOf, partsOf, visitExpressions, visitStatements, type Locals } from './walk.js';
import { counted } from '../../values/counted.js';

/** Whether a value depends on rows of a batch, directly or through locals. */
const readsBatch = (expr: IrExpr, locals: Locals, seen = new Set<string>()): boolean => {
  if (expr.kind === 'batchSize') return true;
  if (expr.kind === 'ref') {
    const { ref } = expr;
    if (ref.kind === 'batch') return true;
    if (ref.kind !== 'local' || seen.has(ref.name)) return false;
    seen.add(ref.name);
    const local = locals.get(ref.name);
    if (!local) return false;
    if (local.kind !== 'fold') return readsBatch(local, locals, seen);
    return readsBatch(local.from, locals, seen) || readsBatch(local.value, locals, seen);
  }
  return partsOf(expr).some((part) => readsBatch(part, locals, seen));
};

/** Whether the class of a model, or a block in it, has a layer of a kind that `is` asks for. */
const hasLayer = (
  { classes }: Pick<TrainingInput, 'classes'>,
  name: string,
  is: (layer: Readonly<Record<string, unknown>>) => boolean,
  seen = new Set<string>(),
): boolean => {
  let found = false;
  seen.add(name);
  walkIr(classes.get(name)?.slots ?? [], (node) => {
    if (node['kind'] === 'layer' && is(node)) found = true;
    const { block } = node;
    if (node['kind'] === 'block' && typeof block === 'string' && !seen.has(block))
      found ||= hasLayer({ classes }, block, is, seen);
  });
  return found;
};

/**
 * Models in which rows meet in layers that know training from evaluation. A frozen copy is in evaluation mode, where those of this
 * language keep rows apart; what one in TypeScript does is not known.
 */
const meetingModels = (input: TrainingInput): ReadonlySet<string> => {
  const still = input.trainer.models.filter(
    ({ name, copy }) =>
      copy?.kind === 'frozen' &&
      hasLayer(input, name, ({ layer }) => layer === 'batch_norm') &&
      !hasLayer(input, name, ({ extern }) => extern !== undefined),
  );
  const names = new Set(still.map(({ name }) => name));
  return new Set([...input.meetsRows].filter((name) => !names.has(name)));
};

const larger = 'use a larger batch instead of `accumulate`';

/** What a part of a loss is called in which rows meet. */
const nameOf = (figure: Figure): string => {
  if (figure.kind === 'size') return `\`${figure.batch}.size\``;
  if (figure.expr.kind === 'model') return `\`${figure.name}\``;
  return /^\w+$/.test(figure.name) ? `this \`${figure.name}\`` : figure.name;
};

export const checkMicroBatches = (input: TrainingInput, run: Run): void => {
  const { trainer, report } = input;
  const { accumulate } = run;
  if (accumulate === undefined || accumulate <= 1) return;
  const size = run.batches?.size;
  const meetsRows = meetingModels(input);
  const found: { readonly span: Span; readonly what: string; readonly help: string }[] = [];
  for (const step of trainer.steps) {
    if (step.stage !== 'train') continue;
    const locals = localsOf(step.body);
    const seen = new Set<string>();
    const told = new Set<IrExpr>();
    const isTold = ({ expr }: Figure): boolean =>
      told.has(expr) ||
      (expr.kind === 'model' && meetsRows.has(expr.model)) ||
      (expr.kind === 'op' && expr.home === 'ops' && expr.name === 'gather');
    visitExpressions(step.body, (expr) => {
      if (expr.kind === 'op' && expr.home === 'ops' && expr.name === 'gather' && !seen.has('gather')) {
        seen.add('gather');
        found.push({
          span: expr.span,
          what: '`gather`',
          help: larger,
        });
      }
      if (expr.kind !== 'model' || !meetsRows.has(expr.model) || seen.has(expr.model)) return;
      seen.add(expr.model);
      found.push({
        span: expr.span,
        what: `\`${expr.model}\``,
        help: 'use `layer_norm`, in which rows do not meet, or a larger batch instead of `accumulate`',
      });
    });
    visitStatements(step.body, (statement) => {
      if (statement.kind !== 'minimize') return;
      for (const term of statement.terms) {
        const of = term.kind === 'times' ? term.of : term;
        const figure = meetingIn(term);
        if (figure && !isTold(figure)) {
          const { span } = figure.expr.span.file === statement.span.file ? figure.expr : statement;
          told.add(figure.expr);
          found.push({ span, what: nameOf(figure), help: larger });
        }
        if (of.kind !== 'each' || !readsBatch(of.value, locals)) continue;
        found.push({
          span: statement.span,
          what: 'the loss (no sum of means or sums over rows)',
          help: 'write the loss as a sum of means over rows, or a larger batch instead of `accumulate`',
        });
        return;
      }
    });
  }
  const given = optionOf(trainer.options, 'accumulate');
  for (const { span, what, help } of found) {
    report(
      rowsMeet(
        span,
        { what },
        {
          related: given ? [{ span: given.span, label: `${accumulate} batches a window` }] : [],
          notes:
            size === undefined
              ? []
              : [
                  `${counted(size, 'row')} ${size === 1 ? 'meets' : 'meet'}, not the ${size * accumulate} of a window`,
                ],
          help,
        },
      ),
    );
  }
};
