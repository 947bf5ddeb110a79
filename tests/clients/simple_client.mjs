// The simple kind's client (S4): what its pages do. Of the module services/socket their document prints the calls and
// what they are for (connect, register the user, hand events on), so that module is the least that does this; beside
// the import of it nothing was left out.

import { io } from 'socket.io-client';

// --- services/socket

let socket = null;

export function initializeSocket(userId) {
  return new Promise((resolve, reject) => {
    socket = io('http://localhost:5003', { auth: { token: localStorage.getItem('token') } });
    socket.on('connect_error', reject);
    socket.on('connect', () => {
      socket.emit('register', { user_id: userId });
      resolve(socket);
    });
  });
}

export function addSocketEventHandler(event, callback) {
  socket.on(event, callback);
}

export function markRead(notificationIds) {
  socket.emit('mark_read', { notification_ids: notificationIds });
}

// --- a page

export async function page(userId) {
  // Initialize socket connection
  await initializeSocket(userId);

  // Listen for notifications
  addSocketEventHandler('notification', (notification) => {
    console.log('Received notification:', notification);
    showNotification(notification);
  });
}
