import { fileURLToPath } from 'node:url'
import { defineConfig, type UserConfig } from 'vite'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/**
 * `npm run build:console`: what a page of ours is made of, as one script and one style sheet in `dist/`. Both are committed
 * and inlined by `replay-page.ts`; a test builds them again and compares bytes.
 */
const config: UserConfig = defineConfig({
  root: here('.'),
  logLevel: 'warn',
  publicDir: false,
  build: {
    outDir: here('dist'),
    emptyOutDir: true,
    target: 'es2023',
    modulePreload: false,
    lib: {
      entry: here('app/replay/main.ts'),
      formats: ['iife'],
      name: 'replay',
      fileName: () => 'replay.js',
      cssFileName: 'replay',
    },
  },
})
export default config
