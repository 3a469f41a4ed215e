"""What the emulator generates: text, images, audio, video and meshes."""
