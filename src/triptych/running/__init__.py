"""What every long computation needs: progress that is shown, threads that suit it, and an end when the user asks."""
