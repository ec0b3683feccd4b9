import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// Where `npm run dev` sends API calls: a server started on its own.
const backend = process.env.LYCEUM_BACKEND ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  // Not all of /api: /api-keys is a page.
  server: { proxy: { '/api/': backend, '/v1/': backend, '/scim/': backend } },
  build: {
    target: 'es2022',
    // Data URLs would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    chunkSizeWarningLimit: 1200,
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/lib/test-setup.ts'],
    pool: 'threads',
    maxWorkers: 2,
    // Forms take seconds on a machine that is busy with other things.
    testTimeout: 20_000,
  },
});
