/** ZT4111: a step has few enough ways through it; each is traced once, when it is first taken. */
import { tooManyWays } from '../../parser/messages.gen.js';
import type { Span } from '../../parser/source.js';
import type { IrExpr, IrStepStmt } from '../ir.js';
import { readsRun, walkIr } from '../ir-walk.js';
import { freezesOf } from './freezing.js';
import { replacedOptions } from './idle-groups.js';
import { freezeTimes, type TrainingInput } from './input.js';

const most = 16;

interface Fork {
  readonly span: Span;
  readonly what: string;
}

/** How many ways there are through statements, and where they part. What is decided at the start is one way. */
const waysOf = (statements: readonly IrStepStmt[], forks: Fork[]): number => {
  let ways = 1;
  for (const statement of statements) {
    if (statement.kind === 'every') {
      forks.push({ span: statement.span, what: '`every`' });
      ways *= waysOf(statement.body, forks) + 1;
    } else if (statement.kind === 'if') {
      const moves = readsRun(statement.test);
      if (moves) forks.push({ span: statement.span, what: '`if`' });
      const then = waysOf(statement.then, forks);
      const other = waysOf(statement.else, forks);
      ways *= moves ? then + other : Math.max(then, other);
    } else if (statement.kind === 'for' || statement.kind === 'update') {
      ways *= waysOf(statement.body, forks);
    } else {
      walkIr(statement, (each) => {
        if (each['kind'] !== 'decide') return;
        forks.push({ span: statement.span, what: '`if`' });
        ways *= 2;
      });
    }
    if (ways > 1e6) return ways;
  }
  return ways;
};

/** One of those times that are equal, as far as that can be told. */
const thawsOf = (input: TrainingInput): readonly IrExpr[] => {
  const known = new Map<string, IrExpr>();
  const replaced = new Set(
    input.trainer.optimizers.flatMap((optimizer) =>
      replacedOptions(input, optimizer).map(({ option }) => option.value),
    ),
  );
  const taken = freezesOf(input.trainer).filter((freeze) => !replaced.has(freeze));
  for (const freeze of taken.flatMap(freezeTimes)) {
    if (freeze.kind === 'rest') continue;
    const value = freeze.kind === 'quantity' && freeze.value.kind === 'literal' ? freeze.value.value : null;
    const key =
      value === null || freeze.kind !== 'quantity' ? `${freeze.span.start}` : `${value} ${freeze.unit}`;
    if (!known.has(key)) known.set(key, freeze);
  }
  return [...known.values()];
};

export const checkTraces = (input: TrainingInput): void => {
  const { trainer, report } = input;
  for (const step of trainer.steps) {
    const forks: Fork[] = [];
    const within = waysOf(step.body, forks);
    // Each time at which something thaws or is frozen parts the run in one more piece.
    const thaws = step.stage === 'train' ? thawsOf(input) : [];
    // An average waits, takes weights in, or does neither.
    const averages =
      step.stage === 'train'
        ? trainer.models.flatMap(({ copy }) => (copy?.kind === 'average' ? [copy] : []))
        : [];
    const ways = within * (thaws.length + 1) * 3 ** averages.length;
    forks.push(...thaws.map(({ span }) => ({ span, what: '`freeze`' })));
    forks.push(...averages.map(({ span }) => ({ span, what: '`average`' })));
    const [first, ...others] = forks;
    if (ways <= most || !first) continue;
    report(
      tooManyWays(
        first.span,
        { name: step.name, found: ways.toLocaleString('en-US'), most },
        {
          related: others.slice(0, 7).map(({ span, what }) => ({ span, label: `${what} here` })),
          help: 'join conditions that go together, or let a schedule say what changes',
        },
      ),
    );
  }
};
