import js from '@eslint/js';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

/** Layers from the bottom up; each may import itself and those before it. */
const layers = ['locales', 'lib', 'api', 'components', 'features', 'app'];

const parents = { regex: '^\\.\\./', message: 'Use the @/ alias to leave a folder.' };

function direction(layer) {
  const above = layers.slice(layers.indexOf(layer) + 1);
  const patterns = [parents];
  if (above.length > 0) {
    patterns.push({
      regex: `^@/(${above.join('|')})/`,
      message: `${layer} may not import ${above.join(', ')}.`,
    });
  }
  return {
    files: [`src/${layer}/**/*.{ts,tsx}`],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns }] },
  };
}

/** Features do not know each other; what they share lives in api or components. */
function isolated(feature, all) {
  const others = all.filter((name) => name !== feature);
  return {
    files: [`src/features/${feature}/**/*.{ts,tsx}`],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            parents,
            { regex: '^@/app/', message: 'features may not import app.' },
            { regex: `^@/features/(${others.join('|')})/`, message: 'Features do not import each other.' },
          ],
        },
      ],
    },
  };
}

const features = ['identity', 'gateway', 'chat', 'knowledge', 'ops'];

export default tseslint.config(
  { ignores: ['dist', 'test-results', 'node_modules', 'src/api/schema.d.ts'] },
  js.configs.recommended,
  {
    files: ['src/**/*.{ts,tsx}'],
    extends: [...tseslint.configs.strictTypeChecked],
    plugins: { 'react-hooks': reactHooks },
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      ...reactHooks.configs.recommended.rules,
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // The router signals a redirect by throwing it.
      '@typescript-eslint/only-throw-error': 'off',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'No barrel files: import from the file itself.' },
        {
          selector: 'ExportNamedDeclaration[source]',
          message: 'No barrel files: import from the file itself.',
        },
        {
          selector: 'ImportDeclaration[source.value="@ant-design/x"]',
          message: 'Import one component, as from @ant-design/x/es/sender: the whole looks for notifications and complains where there are none.',
        },
        {
          selector: 'JSXAttribute[name.name="dangerouslySetInnerHTML"]',
          message: 'Only the code block component may set HTML, from the escaped highlighter output.',
        },
      ],
      'no-console': 'error',
    },
  },
  ...layers.map(direction),
  ...features.map((feature) => isolated(feature, features)),
  {
    files: ['e2e/**/*.mjs', '*.config.js'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        Buffer: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        fetch: 'readonly',
        URL: 'readonly',
        document: 'readonly',
        window: 'readonly',
        localStorage: 'readonly',
      },
    },
  },
);
