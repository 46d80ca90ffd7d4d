/**
 * Which options a built-in reads, from the runtime's own code: of each function, all that can be reached from it is walked, and the
 * properties that are read there are found by their declarations. A word that another built-in reads is none that this one does.
 */
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What a walk found: the declarations of properties that are read. */
type Reads = ReadonlySet<ts.Node>;

export interface RuntimeReads {
  /** Options of an exported function (its argument at `index`) that nothing reachable from it reads. Throws where there is none. */
  unread(file: string, name: string, index: number, keys: readonly string[]): readonly string[];
  /** Properties of a type that no code in the files whose path has one of `within` reads, as `Type.name` of the member that has it. */
  unreadOf(file: string, type: string, within: readonly string[]): readonly string[];
}

const isOwn = (node: ts.Node): boolean => {
  const { fileName } = node.getSourceFile();
  return fileName.startsWith(`${root}src/`) && !fileName.endsWith('.gen.ts');
};

const isCode = (node: ts.Node): boolean =>
  ts.isFunctionDeclaration(node) ||
  ts.isVariableDeclaration(node) ||
  ts.isClassDeclaration(node) ||
  ts.isMethodDeclaration(node) ||
  ts.isPropertyAssignment(node) ||
  ts.isPropertyDeclaration(node) ||
  ts.isGetAccessorDeclaration(node);

/** Whether a property is only written: the left of an assignment. */
const isWritten = (node: ts.PropertyAccessExpression): boolean =>
  ts.isBinaryExpression(node.parent) &&
  node.parent.left === node &&
  node.parent.operatorToken.kind === ts.SyntaxKind.EqualsToken;

/** The runtime, or `files` (paths to texts) in its place. */
export function runtimeReads(entry: string, files: Readonly<Record<string, string>> = {}): RuntimeReads {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  };
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists } = host;
  const made = new Map(Object.entries(files).map(([path, text]) => [`${root}${path}`, text]));
  host.readFile = (path) => made.get(path) ?? readFile(path);
  host.fileExists = (path) => made.has(path) || fileExists(path);
  host.getSourceFile = (path, version) => {
    const text = host.readFile(path);
    return text === undefined ? undefined : ts.createSourceFile(path, text, version, true);
  };
  const program = ts.createProgram([`${root}${entry}`], options, host);
  const checker = program.getTypeChecker();

  const resolved = (symbol: ts.Symbol): ts.Symbol =>
    (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);

  /** Declarations of the property that a node reads. */
  const propertyRead = (node: ts.Node): readonly ts.Node[] => {
    if (ts.isPropertyAccessExpression(node) && !isWritten(node))
      return checker.getSymbolAtLocation(node.name)?.declarations ?? [];
    if (
      ts.isBindingElement(node) &&
      node.dotDotDotToken === undefined &&
      ts.isObjectBindingPattern(node.parent)
    ) {
      const name = node.propertyName ?? node.name;
      if (!ts.isIdentifier(name)) return [];
      const type = checker.getTypeAtLocation(node.parent);
      return declarationsOf(type, name.text);
    }
    return [];
  };

  const declarationsOf = (type: ts.Type, name: string): readonly ts.Node[] =>
    type.isUnion()
      ? type.types.flatMap((member) => declarationsOf(member, name))
      : (checker.getPropertyOfType(type, name)?.declarations ?? []);

  const codeNamed = (node: ts.Identifier): readonly ts.Node[] => {
    const symbol = ts.isShorthandPropertyAssignment(node.parent)
      ? checker.getShorthandAssignmentValueSymbol(node.parent)
      : checker.getSymbolAtLocation(node);
    return symbol === undefined
      ? []
      : (resolved(symbol).declarations ?? []).filter((each) => isCode(each) && isOwn(each));
  };

  const walk = (from: readonly ts.Node[]): Reads => {
    const reads = new Set<ts.Node>();
    const seen = new Set<ts.Node>();
    const open = [...from];
    const visit = (node: ts.Node): void => {
      for (const each of propertyRead(node)) reads.add(each);
      // What a class extends is code, though it counts as a type.
      if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return;
      if (ts.isIdentifier(node)) open.push(...codeNamed(node));
      ts.forEachChild(node, visit);
    };
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      visit(next);
    }
    return reads;
  };

  const exported = (file: string, name: string): ts.Symbol => {
    const source = program.getSourceFile(`${root}${file}`);
    const module = source && checker.getSymbolAtLocation(source);
    const symbol = module && checker.getExportsOfModule(module).find((each) => each.name === name);
    if (symbol === undefined) throw new Error(`${file} exports no ${name}`);
    return resolved(symbol);
  };

  const walks = new Map<ts.Symbol, Reads>();
  return {
    unread: (file, name, index, keys) => {
      const symbol = exported(file, name);
      const [declaration] = symbol.declarations ?? [];
      if (declaration === undefined) throw new Error(`${file} declares no ${name}`);
      const reads = walks.get(symbol) ?? walk(symbol.declarations ?? []);
      walks.set(symbol, reads);
      const takes = checker
        .getTypeOfSymbolAtLocation(symbol, declaration)
        .getCallSignatures()
        .flatMap((signature) => signature.parameters[index] ?? [])
        .map((param) => checker.getNonNullableType(checker.getTypeOfSymbolAtLocation(param, declaration)));
      if (takes.length === 0) throw new Error(`${name} of ${file} takes no options`);
      return keys.filter((key) => {
        const declared = takes.flatMap((type) => declarationsOf(type, key));
        if (declared.length === 0) throw new Error(`${name} of ${file} declares no ${key}`);
        return !declared.some((each) => reads.has(each));
      });
    },
    unreadOf: (file, name, within) => {
      const reads = new Set<ts.Node>();
      const visit = (node: ts.Node): void => {
        for (const each of propertyRead(node)) reads.add(each);
        ts.forEachChild(node, visit);
      };
      for (const source of program.getSourceFiles())
        if (isOwn(source) && within.some((part) => source.fileName.includes(part))) visit(source);
      const type = checker.getDeclaredTypeOfSymbol(exported(file, name));
      const members = type.isUnion() ? type.types : [type];
      return members.flatMap((member) =>
        checker
          .getPropertiesOfType(member)
          .filter(({ declarations = [] }) => !declarations.some((each) => reads.has(each)))
          .map((property) => {
            const kind = checker.getPropertyOfType(member, 'kind');
            const of = kind === undefined ? name : checker.typeToString(checker.getTypeOfSymbol(kind));
            return `${of}.${property.name}`;
          }),
      );
    },
  };
}
