/** Functions of host values, by what mathematics says of them. */
export const hostFunction = (fn: string, args: readonly unknown[]): number | boolean => {
  const [a = Number.NaN, b = Number.NaN, c = Number.NaN] = args.map(Number);
  switch (fn) {
    case 'not':
      return args[0] !== true;
    case 'neg':
      return -a;
    case 'square':
      return a * a;
    case 'rsqrt':
      return 1 / Math.sqrt(a);
    case 'sigmoid':
      return 1 / (1 + Math.exp(-a));
    case 'clamp':
      return Math.min(Math.max(a, b), c);
    case 'min':
    case 'max':
      return Math[fn](a, b);
    case 'floor':
    case 'ceil':
    case 'round':
    case 'sqrt':
    case 'exp':
    case 'log':
    case 'abs':
    case 'tanh':
      return Math[fn](a);
    default:
      throw new Error(`no host function ${fn}`);
  }
};
