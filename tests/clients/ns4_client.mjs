// The client of the four namespaces (S2): the listeners of its quick start and the notification bell, as they are
// written there, without the HTML around them. Of /js/websocket.js their document prints the calls and what they do
// (connects by itself if there is a token, four namespaces, the token in `auth`, null takes all listeners off), so that
// file is the least that does this. Chat is not here.

// --- /js/websocket.js

class WebSocketClient {
  constructor() {
    this.sockets = {};
    this.isConnected = false;
    if (localStorage.getItem('auth_token')) this.connect();
  }

  connect() {
    for (const name of ['sns', 'orders', 'chat', 'notifications']) {
      if (this.sockets[name]) {
        this.sockets[name].connect();
        continue;
      }
      const socket = io(`http://localhost:8000/${name}`, { auth: { token: localStorage.getItem('auth_token') } });
      socket.on('connect', () => { this.isConnected = true; });
      socket.on('disconnect', () => { this.isConnected = Object.values(this.sockets).some((one) => one.connected); });
      this.sockets[name] = socket;
    }
  }

  disconnect() {
    Object.values(this.sockets).forEach((socket) => socket.disconnect());
  }

  on(name, event, callback) {
    this.sockets[name].on(event, callback);
  }

  off(name, event, callback) {
    this.sockets[name].off(event, callback ?? undefined);
  }

  emit(name, event, data) {
    this.sockets[name].emit(event, data);
  }
}

window.ws = new WebSocketClient();

// --- the quick start

// Listen for SNS publish success
window.ws.on('sns', 'publish_success', (data) => {
  console.log('Published successfully:', data);
  showNotification('Published!', data.message);
});

// Listen for order updates
window.ws.on('orders', 'order_updated', (data) => {
  console.log('Order updated:', data);
  updateOrderUI(data);
});

// Listen for general notifications
window.ws.on('notifications', 'notification', (data) => {
  console.log('Notification:', data);
});

// --- the notification bell

let unreadCount = 0;

// Connect WebSocket
window.ws.connect();

// Listen for new notifications
window.ws.on('notifications', 'notification', (data) => {
  addNotificationToUI(data);
  unreadCount++;
  updateBadge();

  // Play sound
  playNotificationSound();
});

function addNotificationToUI(notification) {
  const list = document.getElementById('notification-list');
  const item = document.createElement('div');
  item.className = 'notification-item';
  item.innerHTML = `
      <strong>${notification.title}</strong>
      <p>${notification.message}</p>
      <small>${new Date(notification.timestamp).toLocaleString()}</small>
  `;
  list.insertBefore(item, list.firstChild);
}

function updateBadge() {
  const badge = document.getElementById('unread-count');
  badge.textContent = unreadCount;
  badge.style.display = unreadCount > 0 ? 'inline' : 'none';
}

export function toggleNotifications() {
  const panel = document.getElementById('notification-panel');
  panel.style.display = panel.style.display === 'none' ? 'block' : 'none';
}

function playNotificationSound() {
  const audio = new Audio('/sounds/notification.mp3');
  audio.play().catch(e => console.log('Audio play failed:', e));
}

// --- what its document tries in the browser's console

export function publishStart() {
  // Send SNS publish event
  window.ws.emit('sns', 'publish_start', {
    post_id: 123,
    platforms: ['instagram', 'twitter']
  });
}

// --- its REST calls, by their names

export const rest = {
  list: () => fetch('/api/notifications', { headers: headers() }),
  stats: () => fetch('/api/notifications/stats', { headers: headers() }),
  get: (id) => fetch(`/api/notifications/${id}`, { headers: headers() }),
  read: (id) => fetch(`/api/notifications/${id}/read`, { method: 'PUT', headers: headers() }),
  readAll: () => fetch('/api/notifications/read-all', { method: 'POST', headers: headers() }),
  remove: (id) => fetch(`/api/notifications/${id}`, { method: 'DELETE', headers: headers() }),
  registerDevice: (token, platform) => post('/api/fcm/register-device', { token, platform }),
  unregisterDevice: (token) => post('/api/fcm/unregister-device', { token }),
  unregisterAll: () => post('/api/fcm/unregister-all'),
  subscribe: (topic) => post('/api/fcm/subscribe-topic', { topic }),
  unsubscribe: (topic) => post('/api/fcm/unsubscribe-topic', { topic }),
  devices: () => fetch('/api/fcm/device-list', { headers: headers() }),
};

function headers() {
  return { 'Authorization': `Bearer ${localStorage.getItem('auth_token')}` };
}

function post(path, data) {
  const body = data && JSON.stringify(data);
  return fetch(path, { method: 'POST', headers: { ...headers(), ...(body && { 'Content-Type': 'application/json' }) }, body });
}
