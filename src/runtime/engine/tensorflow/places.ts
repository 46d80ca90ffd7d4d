/** Where in a spec an op of a graph comes from. */

/** How deep a stack is looked into: between a spec's line and an op lie layers, ops and the reverse pass. */
const depth = 60;

/** Runs `body` with stacks deep enough to reach the code that a user wrote. */
export function withDeepStacks<T>(body: () => T): T {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = depth;
  try {
    return body();
  } finally {
    Error.stackTraceLimit = before;
  }
}

/**
 * The innermost place of a stack that is not the runtime's own: a line of a spec where the executable maps its stacks back, else of
 * the trainer or the extern. Null where there is none.
 */
export function placeOf(stack: string | undefined): string | null {
  const lines = (stack ?? '').split('\n').slice(1);
  for (const line of lines) {
    const spec = /([^\s(/]+\.ztrain:\d+:\d+)/.exec(line)?.[1];
    if (spec !== undefined) return spec;
  }
  for (const line of lines) {
    const place = /(?:file:\/\/)?(\/[^\s()]+:\d+:\d+)/.exec(line)?.[1];
    if (place !== undefined && !/\/(?:src\/runtime|node_modules)\/|\/runtime\.mjs:|node:/.test(place))
      return place;
  }
  return null;
}

/** Names of a graph's operations in an error of TensorFlow, the innermost last. */
export function operationsIn(detail: string): readonly string[] {
  return [...detail.matchAll(/\{\{node ([^}]+)\}\}/g)].flatMap(
    ([, name = '']) => name.split('/').at(-1) ?? [],
  );
}
