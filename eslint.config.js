/** What reviewers would otherwise say again and again. Types are checked by tsc, format by prettier. */
import tseslint from 'typescript-eslint';

const bans = [
  { selector: 'ExportDefaultDeclaration', message: 'export by name' },
  { selector: 'TSNonNullExpression', message: 'test for null' },
  {
    selector:
      'CallExpression[callee.object.name=/^(test|it|describe|expect)$/][callee.property.name=/^(skip|only|todo|skipIf|fails)$/]',
    message: 'every test runs',
  },
];

// The one default export: eslint reads nothing else.
export default tseslint.config(
  {
    ignores: ['**/node_modules/', 'dist/', 'runs/', 'coverage/', '.cache/', 'shared/', '**/*.d.mts'],
  },
  {
    files: [
      'src/**/*.ts',
      'test/**/*.ts',
      'bench/**/*.ts',
      'specs/**/*.ts',
      'templates/**/*.ts',
      'scripts/**/*.mjs',
      'bench/**/*.mjs',
    ],
    extends: [...tseslint.configs.strict, ...tseslint.configs.stylistic],
    linterOptions: { reportUnusedDisableDirectives: 'error', noInlineConfig: true },
    rules: {
      'no-restricted-syntax': ['error', ...bans],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      // A loop over UTF-16 units is no loop over letters.
      '@typescript-eslint/prefer-for-of': 'off',
      // Hooks may return a promise or nothing.
      '@typescript-eslint/no-invalid-void-type': 'off',
      eqeqeq: ['error', 'always'],
      'no-console': 'off',
      'no-var': 'error',
      'prefer-const': 'error',
    },
  },
);
