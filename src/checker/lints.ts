/** Lints over names, and what `# allow` suppresses. */
import { hasErrors, type Diagnostic } from '../parser/diagnostic.js';
import { allowUnknown, codes, unused } from '../parser/messages.gen.js';
import type { Checker, FileScope } from './env.js';
import { kindOf } from './expressions.js';
import type { Program, ProgramFile } from './program.js';
import { nameOf } from './declarations.js';

export const reportUnused = (checker: Checker, scopes: ReadonlyMap<ProgramFile, FileScope>): void => {
  for (const scope of scopes.values()) {
    const library = !scope.isMain || !scope.decls.some((decl) => decl.kind === 'trainer');
    const decls = new Map(scope.decls.map((decl) => [nameOf(decl)?.span.start, decl]));
    for (const binding of new Set(scope.names.values())) {
      if (library || checker.used.has(binding)) continue;
      const decl = decls.get(binding.span.start);
      if (!decl || decl.kind === 'model' || nameOf(decl)?.text !== binding.name) continue;
      checker.report(
        unused(
          binding.span,
          { kind: kindOf(binding).replace(/^an? /, ''), name: binding.name },
          { help: 'leave it out' },
        ),
      );
    }
  }
};

export const applyAllows = (
  diagnostics: readonly Diagnostic[],
  program: Program,
  checker: Checker,
): readonly Diagnostic[] => {
  const allows = program.order.flatMap((file) =>
    file.spec.decls.flatMap((decl) => decl.allows.map((allow) => ({ allow, span: decl.span, used: false }))),
  );
  const failed = hasErrors(diagnostics);
  const kept = diagnostics.filter((each) => {
    if (failed && each.code === 'ZT5002') return false;
    const match = allows.find(
      ({ allow, span }) =>
        allow.code.text === each.code &&
        each.severity === 'warning' &&
        span.file === each.span.file &&
        span.start <= each.span.start &&
        each.span.end <= span.end,
    );
    if (match) match.used = true;
    return !match;
  });
  const more = checker.capture(() => {
    for (const { allow } of allows) {
      const code = codes[allow.code.text];
      if (!code)
        checker.report(allowUnknown(allow.code.span, { problem: `there is no code \`${allow.code.text}\`` }));
      else if (code.severity === 'error')
        checker.report(
          allowUnknown(allow.code.span, {
            problem: `\`${allow.code.text}\` is an error, which can't be allowed`,
          }),
        );
    }
  }).diagnostics;
  const order = (each: Diagnostic): number => each.span.file * 1e9 + each.span.start;
  return [...kept, ...more].sort((a, b) => order(a) - order(b));
};
